"""How well an object was removed, and whether the rest of the image stayed the same."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from panda.errors import PandaError


def area_gone(before: Tensor, after: Tensor) -> Tensor:
    """Return values ``[N]`` whose mean is the share of an object's parsed area that is gone.

    The mean is one less the ratio of the total areas, after to before; it is negative where there
    is more of the object than before. (A mean of the images' ratios would depend on the images
    with a few pixels of the object, where the ratio can be 100.) The values vary around the mean
    by the residuals of the ratio estimator, in mean areas before: their standard deviation is 0
    where the same share is gone from every image, and their standard error is the linearized one
    of the ratio.

    Args:
        before: Shares ``[N]`` of the images that are of the object (`panda.metrics.parsing.share`).
        after: The shares after the removal.

    Returns:
        ``[N]`` float64; all NaN where no image has any of the object.
    """
    before, after = before.double(), after.double()
    left = after.sum() / before.sum()
    return 1 - left - (after - left * before) / before.mean()


def class_drop(before: Tensor, after: Tensor) -> Tensor:
    """Return by how much the probability of the top class before falls, ``[N]`` in [-1, 1].

    ``before`` and ``after`` are probabilities ``[N, classes]``.
    """
    top = before.argmax(1, keepdim=True)
    return (before.gather(1, top) - after.gather(1, top))[:, 0]


def feature_distance(before: Tensor, after: Tensor) -> Tensor:
    """Return the cosine distance ``[N]`` of features ``[N, D]``: 0 for the same direction."""
    return 1 - F.cosine_similarity(before, after)


def without(images: Tensor, inside: Tensor) -> Tensor:
    """Return images ``[N, 3, H, W]`` with gray in place of ``inside`` ``[N, H, W]`` bool."""
    return torch.where(inside[:, None], torch.zeros_like(images), images)


def iou(a: Tensor, b: Tensor) -> Tensor:
    """Return the intersection over union ``[N]`` of masks ``[N, H, W]`` bool.

    It is NaN where both masks are empty.

    Raises:
        PandaError: Where the masks have different shapes.
    """
    if a.shape != b.shape:
        raise PandaError(f"masks {list(a.shape)} and {list(b.shape)} have no overlap")
    both = (a & b).sum((1, 2)).float()
    return both / (a | b).sum((1, 2))
