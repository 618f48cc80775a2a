"""Measures of a face from its class map: how large, long, wide or open its parts are."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from panda.metrics.parsing import mask, share

EYES = ("left eye", "right eye")
BROWS = ("left brow", "right brow")
LIPS = ("upper lip", "lower lip")
MOUTH = ("mouth interior", *LIPS)


def _length(found: Tensor, axis: int) -> Tensor:
    """How many rows (axis 1) or columns (axis 2) hold anything, as a share of the image ``[N]``."""
    return found.any(3 - axis).float().mean(1)


def _row(found: Tensor) -> Tensor:
    """The mean row of what is found, as a share of the image's height; NaN where nothing is."""
    rows = torch.linspace(0, 1, found.shape[1], device=found.device)
    weight = found.float().sum(2)
    return (weight * rows).sum(1) / weight.sum(1)


def corner_lift(parsed: Tensor) -> Tensor:
    """How far the corners of the mouth lie above its middle, in image heights ``[N]``."""
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
    "glasses area": lambda parsed: share(parsed, "glasses"),
    "hat area": lambda parsed: share(parsed, "hat"),
    "skin area": lambda parsed: share(parsed, "skin"),
    "neck area": lambda parsed: share(parsed, "neck"),
    "clothes area": lambda parsed: share(parsed, "cloth"),
}
"""From class maps ``[N, H, W]`` to a number a face ``[N]``; NaN where there is no such part."""


def shapes(parsed: Tensor) -> dict[str, Tensor]:
    """Every measure of `SHAPES` ``[N]`` of class maps ``[N, H, W]``."""
    return {name: measure(parsed).double().cpu() for name, measure in SHAPES.items()}
