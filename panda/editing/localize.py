"""Concept localization: where in an image an appearance is (paper, section 4.3)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from panda.errors import PandaError, nearest
from panda.factorization.factors import Factors
from panda.generators.contract import on_canvas


def localize(
    factors: Factors,
    features: Tensor,
    appearance: int | str,
    *,
    part: int | None = None,
    resolution: int | None = None,
    threshold: str = "otsu",
) -> tuple[Tensor, Tensor]:
    """Return the concept map ``[N, R, R]`` of an appearance and its mask (bool, same shape).

    The map is the coordinate a^T Z at every position, for ``"bg"`` that of its detector, resized to
    ``resolution`` (bicubic) and cut to the canvas. The mask is where it is above its mean over the
    samples of the fit (``"mean"``, the released code), or above the threshold that splits each
    image best (``"otsu"``).
    ``part`` is needed for a part's own appearances (``"p0"``).
    """
    thresholds = ("otsu", "mean")
    if threshold not in thresholds:
        raise PandaError(f"there is no threshold {threshold!r}{nearest(threshold, thresholds)}")
    vector, _ = factors.vector(appearance, () if part is None else (part,))
    if appearance == "bg":
        vector = factors.background_detector
    maps = on_canvas(torch.einsum("c,nchw->nhw", vector.to(features), features), factors.layer)
    if resolution is not None:
        maps = enlarge(maps, resolution)
    if threshold == "mean":
        level = (vector @ factors.mean).to(maps).expand(len(maps))
    else:
        level = torch.stack([otsu(row) for row in maps])
    return maps, maps >= level[:, None, None]


def enlarge(maps: Tensor, size: int) -> Tensor:
    """Resize maps ``[N, H, W]`` to ``[N, size, size]`` (bicubic)."""
    return F.interpolate(maps[:, None], (size, size), mode="bicubic", align_corners=False)[:, 0]


def otsu(values: Tensor, bins: int = 256) -> Tensor:
    """The threshold that parts values into two classes of the greatest variance between (Otsu)."""
    low, high = values.min(), values.max()
    if low == high:
        return high
    counts = torch.histc(values.float(), bins, float(low), float(high))
    centers = torch.linspace(float(low), float(high), 2 * bins + 1, device=values.device)[1::2]
    below = counts.cumsum(0)
    above = below[-1] - below
    sums = (counts * centers).cumsum(0)
    difference = sums / below.clamp_min(1) - (sums[-1] - sums) / above.clamp_min(1)
    best = int((below * above * difference.square()).argmax())
    return (centers[best] + (high - low) / (2 * bins)).to(values)
