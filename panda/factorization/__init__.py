"""Factorizing feature maps: from features of a layer to parts and appearances."""
