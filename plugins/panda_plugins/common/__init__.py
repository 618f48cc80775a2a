"""Code that several backends share; no architecture is registered here."""
