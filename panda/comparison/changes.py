"""What the appearances of parts change in the image: the marks by which they are matched."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from panda.comparison.results import Appearance
from panda.factorization.factors import Factors
from panda.generators.contract import Generator, State
from panda.images import resize_map, sheet, to_picture
from panda.metrics.changes import change
from panda.metrics.roir import small
from panda.naming.marks import both_ways, mark

THUMB = 96


@dataclass(frozen=True, eq=False)
class Changes:
    """What K appearances change.

    Attributes:
        appearances: Their figures.
        marks: ``[K, 3, MARK, MARK]``, what they change on average.
        pictures: Of each, a sample with less and with more of it.
    """

    appearances: tuple[Appearance, ...]
    marks: Tensor
    pictures: tuple[Image.Image, ...]


def measure_changes(generator: Generator, factors: Factors, state: State, axes: int) -> Changes:
    """Edit every part by its first appearances both ways, in the samples of a state.

    A mark is half of the mean difference between the two edits, so what is the same in all samples
    stays: brighter hair, redder lips. Appearances that do not vary change nothing.

    Args:
        generator: The generator of the factors.
        factors: Whose parts are edited.
        state: Samples at the factors' layer.
        axes: How many appearances of each part are measured, where it has as many.
    """
    layer = factors.layer.name
    before = small(generator.tail(state, layer))
    appearances, marks, pictures = [], [], []
    for part, mask in enumerate(factors.masks):
        where = resize_map(mask, before.shape[2:])
        for axis in range(min(axes, factors.own.shape[1])):
            images = both_ways(generator, factors, state, part, axis) or [before, before]
            sides = [change(before, image, where) for image in images]
            inside, outside = (torch.stack(values).mean() for values in zip(*sides, strict=True))
            appearances.append(Appearance(part, axis, float(inside), float(outside)))
            marks.append(mark(images))
            row = [images[0][0], images[1][0]]
            pictures.append(sheet([[to_picture(image, THUMB) for image in row]], gap=2))
    return Changes(tuple(appearances), torch.stack(marks), tuple(pictures))
