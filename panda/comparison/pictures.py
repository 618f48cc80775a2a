"""The pictures of one entry that a report shows, as small PNG files in its folder."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from panda.editing.localize import localize
from panda.factorization.factors import Factors
from panda.images import heat_picture, sheet, spotlight, to_picture
from panda.shapes import within

SIZE = 128
SHOWN = 4
"""Samples that a row of pictures shows."""


def draw_samples(folder: Path, images: Tensor) -> None:
    """Write ``sample-0.png``, ...: unedited samples ``[N, channels, H, W]``."""
    for number, image in enumerate(images[:SHOWN]):
        to_picture(image, SIZE).save(folder / f"sample-{number}.png")


def draw_parts(folder: Path, images: Tensor, maps: Tensor) -> None:
    """Write ``part-0.png``, ...: each of the maps ``[K, H, W]`` lit in the first two samples."""
    pictures = [to_picture(image, SIZE) for image in images[:2]]
    for number, where in enumerate(maps):
        sheet([[spotlight(picture, where) for picture in pictures]], gap=2).save(
            folder / f"part-{number}.png"
        )


def draw_background(
    folder: Path, factors: Factors, x: Tensor, before: Tensor, after: Tensor
) -> None:
    """Write ``background-0.png``, ...: a sample, its map of background, the mask, and a removal.

    Args:
        folder: Where they are written.
        factors: Whose background is shown.
        x: Features ``[N, C, H, W]`` of the samples.
        before: Their images ``[N, channels, H, W]``.
        after: The same with the object replaced by background.
    """
    size = within(before.shape[2:], SIZE)
    maps, masks = localize(factors, x[:SHOWN], "bg", size=size)
    for number, (heat, inside) in enumerate(zip(maps, masks, strict=True)):
        picture = to_picture(before[number], SIZE)
        row = [
            picture,
            heat_picture(heat, size),
            spotlight(picture, inside.float()),
            to_picture(after[number], SIZE),
        ]
        sheet([row], gap=2).save(folder / f"background-{number}.png")
