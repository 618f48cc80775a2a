"""Writes layers as dlib serializes them."""

import numpy as np


def integer(value):
    size = max(1, (abs(value).bit_length() + 7) // 8)
    return bytes([size | (0x80 if value < 0 else 0)]) + abs(value).to_bytes(size, "little")


def layer(kind, weights, settings=()):
    """Return a layer: its kind, integers that are settings, and its weights."""
    weights = np.asarray(weights, "<f4")
    shape = (*weights.shape, *[1] * (4 - weights.ndim))
    parts = [integer(len(kind)), kind.encode(), *map(integer, (*settings, 2, *shape))]
    return b"".join(parts) + weights.tobytes()
