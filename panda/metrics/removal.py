"""How well an object was removed, and whether the rest of the image stayed the same."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from panda.errors import PandaError

SEAM = 6
"""Pixels on both sides of a border between which the jump of color is measured, at 256 x 256."""


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


def best_constant(truth: Tensor) -> Tensor:
    """Return the one mask ``[H, W]`` bool that overlaps most with all of some masks.

    It is where more than a share of them are, for the share with the highest mean `iou`.

    Args:
        truth: Masks ``[N, H, W]`` bool.
    """
    mean = truth.float().mean(0)
    masks = [mean > level / 20 for level in range(20)]
    scores = [float(iou(each.expand_as(truth), truth).nan_to_num(0).mean()) for each in masks]
    return masks[scores.index(max(scores))]


def traces(before: Tensor, after: Tensor, inside: Tensor) -> dict[str, Tensor]:
    """Return what shows that something was removed, and what else changed; values ``[N]``.

    Args:
        before: Images ``[N, 3, H, W]`` in [-1, 1].
        after: Likewise.
        inside: Where the object was, ``[N, H, W]`` bool.

    Returns:
        ``"seam before"`` and ``"seam"`` of `seam`; ``"texture"`` of `texture_ratio`, beside what is
        away from the object; ``"damage"`` of `damage`, there.
    """
    inside = inside.to(before.device)
    away = away_from(inside, SEAM)
    return {
        "seam before": seam(before, inside),
        "seam": seam(after, inside),
        "texture": texture_ratio(after, inside, away),
        "damage": damage(before, after, away),
    }


def seam(images: Tensor, inside: Tensor, reach: int = SEAM) -> Tensor:
    """Return the jump of color along the border of a region, ``[N]``; NaN where it has none.

    At each pixel next to the border, the mean color of the region's pixels in reach is compared
    with that of the others: the root mean square difference, in shares of the range of colors.

    Args:
        images: ``[N, 3, H, W]`` in [-1, 1].
        inside: The region, ``[N, H, W]`` bool.
        reach: In pixels.
    """
    sides = []
    for side in (inside, ~inside):
        weights = side[:, None].to(images)
        share = _local_mean(weights, reach)
        colors = _local_mean(images.clamp(-1, 1) * weights, reach) / share.clamp_min(1e-6)
        sides.append((colors, share[:, 0] > 0.1))
    (inner, near), (outer, far) = sides
    border = near & far
    squares = ((inner - outer) / 2).square().mean(1)
    return ((squares * border).sum((1, 2)) / border.sum((1, 2))).sqrt()


def texture_ratio(images: Tensor, inside: Tensor, around: Tensor) -> Tensor:
    """Return how much finer detail a region has than its surroundings, ``[N]``; 1 is as much.

    Detail is the root mean square difference of pixels from the mean of their neighborhood. It is
    NaN where either is empty.

    Args:
        images: ``[N, 3, H, W]`` in [-1, 1].
        inside: The region, ``[N, H, W]`` bool.
        around: What it is compared with, likewise.
    """
    images = images.clamp(-1, 1)
    squares = (images - _local_mean(images, 2)).square().mean(1)
    inner, outer = ((squares * m).sum((1, 2)) / m.sum((1, 2)) for m in (inside, around))
    return (inner / outer.clamp_min(1e-12)).sqrt()


def damage(before: Tensor, after: Tensor, where: Tensor) -> Tensor:
    """Return the root mean square change of color where nothing should change, ``[N]``.

    Args:
        before: Images ``[N, 3, H, W]`` in [-1, 1].
        after: Likewise.
        where: ``[N, H, W]`` bool; NaN where it is empty.

    Returns:
        In shares of the range of colors.
    """
    squares = ((after.clamp(-1, 1) - before.clamp(-1, 1)) / 2).square().mean(1)
    return ((squares * where).sum((1, 2)) / where.sum((1, 2))).sqrt()


def away_from(inside: Tensor, cells: int) -> Tensor:
    """Return where masks ``[N, H, W]`` bool hold nothing within so many pixels, bool."""
    near = F.max_pool2d(inside[:, None].float(), 2 * cells + 1, 1, cells)[:, 0]
    return near == 0


def _local_mean(images: Tensor, reach: int) -> Tensor:
    """Return means of images ``[N, K, H, W]`` over squares of 2 reach + 1, in the image.

    They are means along columns of means along rows, which takes a third of the time.
    """
    for size, padding in (((1, 2 * reach + 1), (0, reach)), ((2 * reach + 1, 1), (reach, 0))):
        images = F.avg_pool2d(images, size, 1, padding, count_include_pad=False)
    return images
