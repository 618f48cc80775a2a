"""Using factors: edits, object removal, localization."""
