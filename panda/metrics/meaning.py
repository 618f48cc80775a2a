"""What parts mean: how purely they cover classes, and which one stands for which class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn import functional as F

LEVELS = 20
"""How many thresholds are tried for the best mask of a class."""


@dataclass(frozen=True, eq=False)
class Overlap:
    """How R masks and C classes overlap in N images, all ``[N, R, C]`` in [0, 1].

    Attributes:
        purity: The share of a mask that lies in a class.
        coverage: The share of a class that a mask covers; 0 where an image has none of the class.
    """

    purity: Tensor
    coverage: Tensor

    @property
    def score(self) -> Tensor:
        """The harmonic mean of both ``[N, R, C]``, which is the soft Dice coefficient."""
        total = (self.purity + self.coverage).clamp_min(1e-12)
        return 2 * self.purity * self.coverage / total


def overlap(masks: Tensor, classes: Tensor) -> Overlap:
    """Return how masks overlap with classes.

    Args:
        masks: ``[N, R, h, w]`` in [0, 1]; or ``[1, R, h, w]``, which are the same in all images.
            They are resized to the classes.
        classes: How much of each position a class has, ``[N, C, H, W]`` in [0, 1].
    """
    size = classes.shape[-2:]
    masks = masks.to(classes)
    if masks.shape[-2:] != size:
        masks = F.interpolate(masks, size, mode="bilinear", align_corners=False)
    masks = masks.clamp(0, 1).flatten(2)
    flat = classes.flatten(2)
    both = masks @ flat.mT
    mass, area = masks.sum(2)[:, :, None], flat.sum(2)[:, None]
    return Overlap(both / mass.clamp_min(1e-12), both / area.clamp_min(1e-12))


def match(scores: Tensor) -> list[int | None]:
    """Return the mask that stands for each class, so that the sum of scores ``[R, C]`` is highest.

    No mask stands for two classes; None stands for what is left where there are fewer masks.
    """
    masks: list[int | None] = [None] * scores.shape[1]
    rows, columns = linear_sum_assignment(-scores.double().cpu().numpy())
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        masks[column] = row
    return masks


def matched(values: Tensor, masks: Sequence[int | None], present: Tensor) -> Tensor:
    """Return what each class has of its mask, ``[N, C]``: 0 without a mask, NaN where it is absent.

    Args:
        values: Of an `Overlap`, ``[N, R, C]``.
        masks: What `match` returns.
        present: Which images have which class, ``[N, C]`` bool.
    """
    columns = [
        torch.zeros(len(values)) if mask is None else values[:, mask, column].cpu()
        for column, mask in enumerate(masks)
    ]
    return torch.where(present.cpu(), torch.stack(columns, 1).double(), torch.nan)


def best_fixed(classes: Tensor, present: Tensor) -> Tensor:
    """Return for each class the mask of its own that fits best to all images, ``[C, H, W]``.

    It is where the mean of the class exceeds a threshold, for the threshold of the highest score;
    whatever is the same in all images can hardly do better.

    Args:
        classes: See `overlap`.
        present: Which images have which class, ``[N, C]`` bool.
    """
    masks = []
    for column in range(classes.shape[1]):
        truth = classes[present[:, column], column]
        mean = truth.mean(0)
        tried = torch.stack([mean > mean.max() * level / LEVELS for level in range(LEVELS)])
        scores = overlap(tried[None].float(), truth[:, None]).score.mean(0)[:, 0]
        masks.append(tried[int(scores.argmax())].float())
    return torch.stack(masks)
