"""PandA and the methods it is compared with: fit, list edits, apply, all on a generator."""
