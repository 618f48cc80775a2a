"""What factors are used for: local edits, object removal, localization."""
