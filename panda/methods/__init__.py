"""PandA and the methods that it is compared with, behind one interface: fit, list edits, apply."""
