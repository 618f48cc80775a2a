"""Self-contained HTML: one file, pictures inside it, nothing fetched from anywhere."""
