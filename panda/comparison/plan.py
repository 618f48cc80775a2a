"""What is compared: how much of everything, at which layers, of which generators."""

from __future__ import annotations

import math
from dataclasses import dataclass

from panda.errors import PandaError
from panda.generators.contract import Generator, Layer

NEAR = math.sqrt(2)
"""A layer stands for a level where its side is within this factor of the level's."""

DEEPEST = 64
"""Layers of up to this many positions a side are asked for background, and any level's."""


@dataclass(frozen=True)
class Plan:
    """How much of everything; the same for every generator.

    levels: sides of the image over that of the layer, so 4 is a layer of 16 x 16 in images of 64.
    samples: seeds 0, 1, ... of each fit. parts: R_S; R_C is all channels. axes: own appearances of
    each part. images: samples that edits are measured on and pictures made of. scored: samples,
    none of the fit, that background, localization and removal are measured on; selected: those on
    which the concept that fits a face class best is chosen. faces: whether faces are parsed, at
    ``parse_size`` pixels, where there are any.
    """

    levels: tuple[int, ...] = (16, 8, 4)
    samples: int = 1000
    parts: int = 8
    axes: int = 2
    images: int = 6
    scored: int = 64
    selected: int = 16
    faces: bool = True
    parse_size: int = 512

    def __post_init__(self) -> None:
        """Raise `PandaError` for counts below one and levels given twice."""
        counts = (self.samples, self.parts, self.axes, self.images, self.scored, self.selected)
        if min(counts) < 1 or not self.levels or min(self.levels) < 1:
            raise PandaError(f"{self}: expected levels and counts of at least one")
        if len(set(self.levels)) != len(self.levels):
            raise PandaError(f"levels {list(self.levels)} name one more than once")


QUICK = Plan(levels=(4,), samples=200, axes=1, images=4, scored=8, selected=8, parse_size=384)


def layer_at(generator: Generator, level: int) -> Layer | None:
    """The last layer nearest in size to the image over ``level``; None where none is near."""
    wanted = generator.resolution / level
    layer = generator.layer_near(wanted)
    return layer if abs(math.log(layer.side / wanted)) < math.log(NEAR) else None


def depths(generator: Generator, plan: Plan) -> list[Layer]:
    """The last layer of each size, from coarse to fine, as far as background is looked for."""
    limit = max(DEEPEST, generator.resolution // min(plan.levels))
    last = {layer.side: layer for layer in generator.layers.values()}
    return [last[size] for size in sorted(last) if 4 <= size <= limit]
