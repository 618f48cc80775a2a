"""Measures of a face that have gradients: of probabilities in place of classes.

A class map says which class a pixel is of, so that a measure of it moves in jumps. Its probability
moves smoothly, most of all at the rim of a feature.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from panda.metrics.face_colors import COLORS, colors
from panda.metrics.face_shapes import BROWS, EYES, LIPS, MOUTH
from panda.metrics.parsing import CLASSES, enlarged

SIDE = 256
"""Positions of the longer side at which probabilities are measured."""

FAINT = 0.1
"""Smaller probabilities have no place: a whole image of them would outweigh a small feature."""


def _chance(chances: Tensor, *names: str) -> Tensor:
    """Return the probability ``[N, H, W]`` of any of the named classes."""
    return chances[:, [CLASSES.index(name) for name in names]].sum(1)


def _area(*names: str) -> Callable[[Tensor], Tensor]:
    return lambda chances: _chance(chances, *names).mean((1, 2))


def _length(axis: int, *names: str) -> Callable[[Tensor], Tensor]:
    """Return what measures the share of rows (axis 1) or columns (axis 2) with any of a class."""
    return lambda chances: _chance(chances, *names).amax(3 - axis).mean(1)


def _row(chance: Tensor) -> Tensor:
    """Return the mean row ``[N]`` of a class, as a share of the height; NaN where there is none."""
    weight = (chance * (chance > FAINT)).sum(2)
    rows = torch.linspace(0, 1, chance.shape[1], device=chance.device)
    return (weight * rows).sum(1) / weight.sum(1)


def _corner_lift(chances: Tensor) -> Tensor:
    """Return the lift of the mouth's corners; see `panda.metrics.face_shapes.corner_lift`."""
    lifts = []
    for mouth in _chance(chances, *MOUTH):
        columns = (mouth.amax(0) > 0.5).nonzero()[:, 0]
        if len(columns) < 6:
            lifts.append(mouth.new_tensor(torch.nan))
            continue
        first, last = int(columns[0]), int(columns[-1]) + 1
        step = (last - first) // 6
        ends = torch.cat([mouth[:, first : first + step], mouth[:, last - step : last]], 1)
        middle = mouth[:, first + 2 * step : last - 2 * step]
        lifts.append(_row(middle[None])[0] - _row(ends[None])[0])
    return torch.stack(lifts)


SOFT: dict[str, Callable[[Tensor], Tensor]] = {
    "eye area": _area(*EYES),
    "nose length": _length(1, "nose"),
    "nose width": _length(2, "nose"),
    "mouth opening": _area("mouth interior"),
    "mouth width": _length(2, *MOUTH),
    "lip corners": _corner_lift,
    "lip area": _area(*LIPS),
    "brow height": lambda chances: _row(_chance(chances, *EYES)) - _row(_chance(chances, *BROWS)),
    "brow area": _area(*BROWS),
    "hair area": _area("hair"),
    "glasses area": _area("glasses"),
    "hat area": _area("hat"),
    "skin area": _area("skin"),
    "neck area": _area("neck"),
    "clothes area": _area("cloth"),
}
"""From the probabilities ``[N, classes, H, W]`` of images to a number for each ``[N]``."""


MEASURES = (*SOFT, *COLORS)
"""The names of all measures."""


def soft_measures(images: Tensor, scores: Tensor) -> dict[str, Tensor]:
    """Return measures of faces by name, each ``[N]``; gradients reach the images.

    They are close to `panda.metrics.face_shapes`, in the same units, and NaN where a face lacks a
    feature. Colors are those of `panda.metrics.face_colors`: their gradients change the pixels of a
    class, not which pixels are of it.

    Args:
        images: ``[N, 3, h, w]`` in [-1, 1].
        scores: What `FaceParser.scores` returns for them.
    """
    chances = enlarged(scores, SIDE).softmax(1)
    measured = {name: measure(chances) for name, measure in SOFT.items()}
    return measured | colors(images, chances.argmax(1))
