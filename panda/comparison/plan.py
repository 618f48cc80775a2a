"""What is compared: how many of everything, at which layers, of which generators."""

from __future__ import annotations

import math
from dataclasses import dataclass

from panda.errors import PandaError
from panda.generators.contract import Generator, Layer, last_layers
from panda.generators.seeds import as_count, as_counts

NEAR = math.sqrt(2)
"""A layer stands for a level where its side is within this factor of the level's."""

DEEPEST = 64
"""Background is measured at layers of up to this many positions a side, and at any level's."""

COUNTS = ("samples", "sets", "parts", "axes", "images", "scored", "selected", "parse_size")


@dataclass(frozen=True)
class Plan:
    """How many of everything; the same for every generator.

    Attributes:
        levels: Sides of the image over that of the layer, so 4 is a layer of 16 x 16 in images of
            64. One number, several, or text such as ``"16,8,4"``.
        samples: Of each fit, of the seeds 0, 1, ....
        sets: Disjoint sets of these samples in which background is looked for at each depth, as
            many as there are samples for.
        parts: R_S of each fit; R_C is all channels.
        axes: Appearances of each part that are measured.
        images: Samples that edits are measured on and pictures made of.
        scored: Samples, none of the fit, that background, localization and removal are measured on.
        selected: Samples on which the concept that fits a face class best is chosen.
        faces: Whether faces are parsed, where a generator makes any.
        parse_size: Pixels at which they are parsed.
    """

    levels: tuple[int, ...] = (16, 8, 4)
    samples: int = 1000
    sets: int = 5
    parts: int = 8
    axes: int = 2
    images: int = 6
    scored: int = 64
    selected: int = 16
    faces: bool = True
    parse_size: int = 512

    def __post_init__(self) -> None:
        """Raise `PandaError` for counts below one and levels given twice."""
        for name in COUNTS:
            object.__setattr__(self, name, as_count(getattr(self, name), name))
        object.__setattr__(self, "levels", as_counts(self.levels, "levels"))
        object.__setattr__(self, "faces", bool(self.faces))
        if len(set(self.levels)) != len(self.levels):
            raise PandaError(f"levels {list(self.levels)}: one is given more than once")


QUICK = Plan(levels=(4,), samples=200, axes=1, images=4, scored=8, selected=8, parse_size=384)
"""One level, and few of everything."""


def layer_at(generator: Generator, level: int) -> Layer | None:
    """Return the last layer nearest in height to the image over ``level``; None where none is near.

    Near is within a factor of `NEAR`.
    """
    side = generator.size[0] / level
    layer = generator.layer_near(side)
    return layer if abs(math.log(layer.side / side)) < math.log(NEAR) else None


def background_layers(generator: Generator, plan: Plan) -> list[Layer]:
    """Return the last layers of each size (`last_layers`) at which background is measured."""
    limit = max(DEEPEST, generator.size[0] // min(plan.levels))
    return [layer for layer in last_layers(generator) if 4 <= layer.side <= limit]
