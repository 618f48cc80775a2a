"""Otsu's threshold, which divides what is from what is not in a map."""

from __future__ import annotations

import torch
from torch import Tensor


def otsu(values: Tensor, bins: int = 256) -> Tensor:
    """Return the threshold that maximizes the variance between the classes it makes (Otsu, 1979).

    Between two clusters far apart every threshold is equally good; the one in the middle is taken.

    Args:
        values: Numbers of any shape.
        bins: Of the histogram among whose edges the threshold is.
    """
    low, high = values.min(), values.max()
    if low == high:
        return high
    counts = torch.histc(values.float(), bins, float(low), float(high))
    centers = torch.linspace(float(low), float(high), 2 * bins + 1, device=values.device)[1::2]
    below = counts.cumsum(0)
    above = below[-1] - below
    sums = (counts * centers).cumsum(0)
    difference = sums / below.clamp_min(1) - (sums[-1] - sums) / above.clamp_min(1)
    variances = below * above * difference.square()
    best = int(variances.argmax())
    equal = (variances[best:] == variances[best]).cumprod(0).sum()
    return (centers[best] + equal * (float(high) - float(low)) / (2 * bins)).to(values)


def otsu_each(maps: Tensor) -> Tensor:
    """Return the threshold `otsu` of each of the maps ``[N, H, W]``, ``[N, 1, 1]``."""
    return maps.new_tensor([float(otsu(each)) for each in maps.detach()]).view(-1, 1, 1)
