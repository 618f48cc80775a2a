"""What several backends share; no architecture of its own."""
