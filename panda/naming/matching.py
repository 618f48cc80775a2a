"""Which part of one generator is which part of another: optimal assignment on maps of the image."""

from __future__ import annotations

from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn import functional as F

MAP = 32
"""Height and width of the maps that are compared, whatever the layer's and the image's are."""


def image_maps(masks: Tensor) -> Tensor:
    """Return masks of parts ``[R_S, h, w]`` of any size as ``[R_S, MAP, MAP]``, on the CPU."""
    maps = masks.float().cpu()[:, None]
    if max(maps.shape[-2:]) > MAP:
        return F.adaptive_avg_pool2d(maps, MAP)[:, 0]
    return F.interpolate(maps, (MAP, MAP), mode="bilinear", align_corners=False)[:, 0]


def correlations(a: Tensor, b: Tensor, *, signed: bool = True) -> Tensor:
    """Return the correlations of maps ``[K, ...]`` and ``[L, ...]``, ``[K, L]`` in [-1, 1].

    Args:
        a: Maps ``[K, ...]``.
        b: Maps ``[L, ...]``.
        signed: Whether to take Pearson's correlation over positions, which is zero for a constant
            map. Otherwise the maps are changes of images: they are not centered, and a change
            and its opposite are the same.
    """
    a, b = a.flatten(1).double(), b.flatten(1).double()
    if signed:
        a, b = (x - x.mean(1, keepdim=True) for x in (a, b))
    cosines = F.normalize(a, eps=1e-9) @ F.normalize(b, eps=1e-9).T
    return cosines if signed else cosines.abs()


def assign(likeness: Tensor) -> dict[int, int]:
    """Return the pairs of rows and columns, each used once, with the greatest sum of likeness."""
    rows, columns = linear_sum_assignment(likeness.numpy(), maximize=True)
    return {int(row): int(column) for row, column in zip(rows, columns, strict=True)}
