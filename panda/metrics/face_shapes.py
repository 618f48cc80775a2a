"""Measures of a face from its class map: how large, long, wide or open its features are."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from panda.metrics.parsing import SMALLEST, mask, share

EYES = ("left eye", "right eye")
BROWS = ("left brow", "right brow")
LIPS = ("upper lip", "lower lip")
MOUTH = ("mouth interior", *LIPS)


def _length(inside: Tensor, axis: int) -> Tensor:
    """Return the share ``[N]`` of rows (axis 1) or columns (axis 2) that a mask covers in part."""
    return inside.any(3 - axis).float().mean(1)


def _row(inside: Tensor) -> Tensor:
    """Return the mean row ``[N]`` of a mask, as a share of the height; NaN where it is empty."""
    rows = torch.linspace(0, 1, inside.shape[1], device=inside.device)
    weight = inside.float().sum(2)
    return (weight * rows).sum(1) / weight.sum(1)


def corner_lift(parsed: Tensor) -> Tensor:
    """Return how far the corners of the mouth lie above its middle, in image heights ``[N]``.

    NaN where the mouth is narrower than 6 columns. ``parsed`` are class maps ``[N, H, W]``.
    """
    lifts = []
    for mouth in mask(parsed, *MOUTH):
        columns = mouth.any(0).nonzero()[:, 0]
        if len(columns) < 6:
            lifts.append(torch.tensor(torch.nan, device=parsed.device))
            continue
        first, last = int(columns[0]), int(columns[-1]) + 1
        step = max(1, (last - first) // 6)
        ends = torch.cat([mouth[:, first : first + step], mouth[:, last - step : last]], 1)
        middle = mouth[:, first + 2 * step : last - 2 * step]
        lifts.append(_row(middle[None])[0] - _row(ends[None])[0])
    return torch.stack(lifts)


def _worn(parsed: Tensor, name: str) -> Tensor:
    """Return the share ``[N]`` of something to wear; 0 where it is too small to be worn."""
    area = share(parsed, name)
    return torch.where(area >= SMALLEST[name], area, 0.0)


SHAPES: dict[str, Callable[[Tensor], Tensor]] = {
    "eye area": lambda parsed: share(parsed, *EYES),
    "nose length": lambda parsed: _length(mask(parsed, "nose"), 1),
    "nose width": lambda parsed: _length(mask(parsed, "nose"), 2),
    "mouth opening": lambda parsed: share(parsed, "mouth interior"),
    "mouth width": lambda parsed: _length(mask(parsed, *MOUTH), 2),
    "lip corners": corner_lift,
    "lip area": lambda parsed: share(parsed, *LIPS),
    "brow height": lambda parsed: _row(mask(parsed, *EYES)) - _row(mask(parsed, *BROWS)),
    "brow area": lambda parsed: share(parsed, *BROWS),
    "hair area": lambda parsed: share(parsed, "hair"),
    "glasses area": lambda parsed: _worn(parsed, "glasses"),
    "hat area": lambda parsed: _worn(parsed, "hat"),
    "skin area": lambda parsed: share(parsed, "skin"),
    "neck area": lambda parsed: share(parsed, "neck"),
    "clothes area": lambda parsed: share(parsed, "cloth"),
}
"""From class maps ``[N, H, W]`` to a number for each face ``[N]``.

Positions are NaN where a face lacks the feature; areas and lengths are shares of the image.
"""


def shapes(parsed: Tensor) -> dict[str, Tensor]:
    """Return every measure of `SHAPES`, ``[N]`` float64, of class maps ``[N, H, W]``."""
    return {name: measure(parsed).double().cpu() for name, measure in SHAPES.items()}
