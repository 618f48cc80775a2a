"""Where parts are looked for, and how many, where nobody says: as edits by parts work best.

Measured at equal effect; the table is in ``docs/methods.md``, Layer and number of parts.
"""

from __future__ import annotations

from panda.generators.contract import Generator, Layer

SIDE = 32
"""Positions from top to bottom of the layer, of images large enough for it."""

SHARE = 4
"""In small images a position is at least this many pixels high."""

PARTS = 16
"""The number of parts."""


def usual_place(generator: Generator) -> tuple[Layer, int]:
    """Return the layer and the number of parts that edits are best made with.

    Args:
        generator: The generator to edit.

    Returns:
        The last layer nearest to 32 positions from top to bottom, or to a quarter of the image's
        height where that is less; and 16 parts, or as many as there are positions.
    """
    layer = generator.layer_near(min(SIDE, generator.size[0] / SHARE))
    return layer, min(PARTS, layer.positions)
