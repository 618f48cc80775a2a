"""What parts and edits are called, found by looking at what they do."""
