"""Names of parts and edits, from what they do in images."""
