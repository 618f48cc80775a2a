"""What a part's own appearances change in the image: the marks by which they are matched."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from panda.comparison.background import change
from panda.comparison.results import Appearance
from panda.edit import Edit, direction
from panda.factors import Factors
from panda.generator import Generator, State, on_canvas
from panda.images import resize_map, sheet, to_picture
from panda.metrics.roir import SIZE, small

SIGMAS = 4.0
"""Edits are compared at so many standard deviations each way."""

MARK = 16
"""Positions from side to side of the change of colors that is an appearance's mark."""

THUMB = 96


@dataclass(frozen=True)
class Changes:
    """Appearances, their marks ``[K, 3, MARK, MARK]`` and a picture of each: down and up."""

    appearances: tuple[Appearance, ...]
    marks: Tensor
    pictures: tuple[Image.Image, ...]


def measure_changes(generator: Generator, factors: Factors, state: State, axes: int) -> Changes:
    """Edit every part by its first own ``axes`` both ways, in the samples of a state.

    A mark is half of the mean difference between the two edits, so what is the same in all samples
    stays: brighter hair, redder lips. Axes that do not vary change nothing.
    """
    layer = factors.layer.name
    before = small(generator.tail(state, layer))
    found, marks, pictures = [], [], []
    for part, mask in enumerate(on_canvas(factors.masks, factors.layer)):
        where = resize_map(mask, SIZE)
        for axis in range(min(axes, factors.own.shape[1])):
            images = both_ways(generator, factors, state, part, axis) or [before, before]
            sides = [change(before, image, where) for image in images]
            inside, outside = (torch.stack(values).mean() for values in zip(*sides, strict=True))
            found.append(Appearance(part, axis, float(inside), float(outside)))
            marks.append(mark(images))
            row = [images[0][0], images[1][0]]
            pictures.append(sheet([[to_picture(image, THUMB) for image in row]], gap=2))
    return Changes(tuple(found), torch.stack(marks), tuple(pictures))


def both_ways(
    generator: Generator, factors: Factors, state: State, part: int, axis: int
) -> list[Tensor]:
    """Small images of a state's samples down and up a part's own axis; none where it is still."""
    if factors.vector(f"p{axis}", (part,))[1] == 0:
        return []
    layer, images = factors.layer.name, []
    for sign in (-1, 1):
        edit = Edit((part,), f"p{axis}", sign * SIGMAS, sigma=True)
        x = state.x + direction(factors, [edit]).to(state.x)
        images.append(small(generator.tail(state.with_features(x), layer)))
    return images


def mark(images: list[Tensor]) -> Tensor:
    """The mark ``[3, MARK, MARK]`` of an appearance by the images of `both_ways`."""
    half = (images[1] - images[0]).mean(0) / 2
    return F.adaptive_avg_pool2d(half, MARK).float().cpu()
