"""Walks: images on the way from one sample to the next, and along the strengths of edits."""

from panda.walks.images import Walk, walk

__all__ = ["Walk", "walk"]
