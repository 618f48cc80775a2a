"""How well an object was removed, and whether the rest stayed."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from panda.errors import PandaError
from panda.metrics.parsing import share


def area_gone(before: Tensor, after: Tensor, *names: str) -> Tensor:
    """The share ``[N]`` of an object's parsed area that is gone; NaN where there was none.

    ``before`` and ``after`` are class maps ``[N, H, W]``, ``names`` the object's classes. Negative
    where there is more of it than before.
    """
    old, new = share(before, *names), share(after, *names)
    return torch.where(old > 0, 1 - new / old.clamp_min(1e-9), torch.nan)


def class_drop(before: Tensor, after: Tensor) -> Tensor:
    """How far the probability of the class that was seen before falls, ``[N]`` in [-1, 1].

    ``before`` and ``after`` are probabilities ``[N, classes]``.
    """
    seen = before.argmax(1, keepdim=True)
    return (before.gather(1, seen) - after.gather(1, seen))[:, 0]


def feature_distance(before: Tensor, after: Tensor) -> Tensor:
    """One less the cosine of features ``[N, D]``: 0 is the same, ``[N]``."""
    return 1 - F.cosine_similarity(before, after)


def without(images: Tensor, inside: Tensor) -> Tensor:
    """Images ``[N, 3, H, W]`` that are grey where ``inside`` ``[N, H, W]``: what should stay."""
    return torch.where(inside[:, None], torch.zeros_like(images), images)


def iou(one: Tensor, other: Tensor) -> Tensor:
    """Intersection over union ``[N]`` of masks ``[N, H, W]`` bool; NaN where both are empty.

    Raises `PandaError` for other shapes.
    """
    if one.shape != other.shape:
        raise PandaError(f"masks {list(one.shape)} and {list(other.shape)} have no overlap")
    both = (one & other).sum((1, 2)).float()
    return both / (one | other).sum((1, 2))
