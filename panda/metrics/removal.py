"""How well an object was removed, and whether the rest stayed."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from panda.errors import PandaError


def area_gone(before: Tensor, after: Tensor) -> Tensor:
    """The share of an object's parsed area that is gone: the mean of ``[N]``, one an image.

    ``before`` and ``after`` are its shares ``[N]`` of the images (`panda.metrics.parsing.share`).
    The mean is one less the total after over the total before, negative where there is more than
    before: a mean of each image's own ratio would hang on the images with a few pixels of the
    object, where that is -100 or less. What an image differs by is its area after, less what it
    had before times the ratio of the totals, in mean areas before. So the standard deviation is 0
    where the same share is gone from each, and that over the root of N is the standard error of
    the ratio of totals (linearized). All are NaN where no image has any of the object.
    """
    before, after = before.double(), after.double()
    left = after.sum() / before.sum()
    return 1 - left - (after - left * before) / before.mean()


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
