"""Which part of one generator is which part of another: optimal assignment on maps of the image."""

from __future__ import annotations

from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn import functional as F

from panda.generators.contract import Layer, on_canvas

MAP = 32
"""Positions from side to side of the maps that are compared, whatever the layer's."""


def image_maps(maps: Tensor, layer: Layer) -> Tensor:
    """Maps ``[K, H, W]`` of a layer as maps of the image ``[K, MAP, MAP]``, margins cropped."""
    maps = on_canvas(maps.float().cpu(), layer)[:, None]
    if maps.shape[-1] > MAP:
        return F.adaptive_avg_pool2d(maps, MAP)[:, 0]
    return F.interpolate(maps, (MAP, MAP), mode="bilinear", align_corners=False)[:, 0]


def correlations(one: Tensor, other: Tensor, *, signed: bool = True) -> Tensor:
    """How alike maps ``[K, ...]`` and ``[L, ...]`` are, ``[K, L]`` in [-1, 1].

    Pearson's over positions; a constant map is like nothing. Changes of images (``signed`` is
    false) are not centered, and a change and its opposite are the same.
    """
    one, other = one.flatten(1).double(), other.flatten(1).double()
    if signed:
        one, other = (x - x.mean(1, keepdim=True) for x in (one, other))
    found = F.normalize(one, eps=1e-9) @ F.normalize(other, eps=1e-9).T
    return found if signed else found.abs()


def assign(likeness: Tensor) -> dict[int, int]:
    """The pairing of rows and columns of the greatest sum of likeness; each is used once."""
    rows, columns = linear_sum_assignment(likeness.numpy(), maximize=True)
    return {int(row): int(column) for row, column in zip(rows, columns, strict=True)}
