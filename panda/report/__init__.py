"""Self-contained HTML: a single file with its pictures inside, which fetches nothing."""
