"""Directions of features that no factorization made: principal axes, and random ones."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from panda.editing.localize import concept_maps, enlarge
from panda.factorization.linear_algebra import eigenvectors, fix_signs
from panda.factorization.thresholds import otsu_each
from panda.generators.contract import Layer, on_canvas
from panda.metrics.removal import iou
from panda.shapes import SizeLike

TRIED = 32
"""The number of principal components, and of random directions, of which the best is taken."""


def principal_directions(layer: Layer, features: Tensor, count: int = TRIED) -> Tensor:
    """Return the principal axes of features over samples and positions, ``[C, count]``.

    Args:
        layer: The layer; margins are left out.
        features: Features ``[N, C, H, W]``.
        count: The number of axes, strongest first; at most C.
    """
    inside = on_canvas(features.flatten(0, 1), layer).reshape(*features.shape[:2], -1)
    rows = inside.movedim(1, 0).flatten(1)
    _, axes = eigenvectors(torch.cov(rows.double()))
    return fix_signs(axes[:, :count], 0).to(features)


def random_directions(channels: int, count: int = TRIED, seed: int = 0) -> Tensor:
    """Return directions ``[C, count]`` of length one, uniform over all of them."""
    draw = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(channels, count, generator=draw), dim=0)


def direction_masks(layer: Layer, features: Tensor, direction: Tensor, size: SizeLike) -> Tensor:
    """Return where the coordinate along a direction is high, ``[N, H, W]`` bool.

    High is above the threshold that splits each sample's map best, as in `panda.localize`.

    Args:
        layer: The layer.
        features: Features ``[N, C, H, W]``.
        direction: The direction ``[C]``.
        size: Height and width of the masks, or their longer side.
    """
    maps = enlarge(concept_maps(layer, features, direction), size)
    masks: Tensor = maps >= otsu_each(maps)
    return masks


def both_signs(layer: Layer, features: Tensor, directions: Tensor, truths: Tensor) -> Tensor:
    """Return how the masks of directions, and those of their opposites, overlap with the truth.

    Args:
        layer: The layer.
        features: Features ``[N, C, H, W]``.
        directions: Directions ``[C, K]``.
        truths: Masks of T concepts, ``[T, N, H, W]`` bool; masks are compared at this size.

    Returns:
        The intersection over union ``[T, K, 2, N]``. What is above the threshold of a map is below
        that of its negative.
    """
    rows = []
    for direction in directions.T:
        masks = direction_masks(layer, features, direction, truths.shape[2:])
        rows.append([torch.stack([iou(masks, each), iou(~masks, each)]) for each in truths])
    return torch.stack([torch.stack(row) for row in rows], 1)


def best_of(overlaps: Tensor) -> tuple[int, float]:
    """Return the number and the sign of the direction that overlaps most, on average.

    Args:
        overlaps: Overlaps of directions and of their opposites ``[K, 2, N]`` (`both_signs`).
    """
    best = int(overlaps.nanmean(2).nan_to_num(-1.0).flatten().argmax())
    return best // 2, 1.0 if best % 2 == 0 else -1.0
