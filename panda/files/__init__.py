"""Files: the cache folder, atomic writes, locks, readers of JSON lines and .npy files."""
