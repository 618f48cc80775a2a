"""Files: the cache folder, writing that is never seen half-done, locks, NumPy's own format."""
