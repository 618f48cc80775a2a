"""The background of images, found without labels (paper, section 4.2).

Objects stand in the middle of the images that these generators learn, and their surroundings reach
the border at the top and at the upper sides. The features of a few samples fall into clusters, and
those that fill the upper corners are background: all that lies near the border would take in hair.

Two vectors come of it. The appearance is how background differs from the mean feature: what to
paint. The detector tells background from the rest best (Fisher's discriminant): where it is. They
are not the same, since features also vary in ways that have nothing to do with it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from panda.generators.contract import Layer, on_canvas

SIDE = 32
"""Features are looked at on so many positions a side, or on all where there are fewer."""

SAMPLES = 32
"""The background is looked for in so many samples; twice as many find it no better."""

CLUSTERS, AXES, RUNS = 6, 16, 4
"""Clusters, the principal axes in which they are looked for, and how often this is begun anew."""

LIFT = 1.5
"""Clusters are background that lie in the corners so many times as densely as anywhere."""

DISCRIMINANT_AXES = 64
"""The principal axes in which the detector lies."""

POINTS = 8192
"""Positions that are clustered, evenly spread over all; the others follow."""


@dataclass(frozen=True)
class Background:
    """What background looks like and where it is.

    appearance: ``[C]``, the mean feature there less the mean of all. detector: ``[C]``; its
    coordinate is higher by one on background than elsewhere. Both are zero where nothing varies.
    """

    appearance: Tensor
    detector: Tensor


def border_mask(layer: Layer) -> Tensor:
    """The image's top row and the upper half of its sides, ``[H, W]`` of zeros and ones."""
    mask = torch.zeros(layer.height, layer.width)
    inside = mask[
        layer.margin : layer.height - layer.margin, layer.margin : layer.width - layer.margin
    ]
    inside[0] = 1
    inside[: (len(inside) + 1) // 2, [0, -1]] = 1
    return mask


def corner_mask(height: int, width: int) -> Tensor:
    """The upper third of the outer sixths of an image, ``[H, W]`` bool."""
    mask = torch.zeros(height, width, dtype=torch.bool)
    rows, columns = max(1, height // 3), max(1, width // 6)
    mask[:rows, :columns] = mask[:rows, -columns:] = True
    return mask


def pooled(maps: Tensor, layer: Layer) -> Tensor:
    """Maps ``[N, H, W]`` inside the image, averaged to at most `SIDE` positions a side."""
    inside = on_canvas(maps, layer)
    height, width = (min(SIDE, side) for side in inside.shape[1:])
    return F.adaptive_avg_pool2d(inside[None], (height, width))[0]


def find_background(features: Tensor, maps: Tensor | None = None) -> Background:
    """The background in features ``[N, C, h, w]`` of samples, `pooled`; no label is needed.

    With ``maps [K, h, w]``, the features are given as ``[N, C, K]``, sums of these maps, and are
    unfolded along a few axes only. Take their mean off before: beside a large one, what varies
    would drown in rounding.
    """
    height, width = (features if maps is None else maps).shape[-2:]
    samples = features.flatten(2)
    if maps is None:
        samples = samples - samples.mean((0, 2), keepdim=True)

    def unfold(rows: Tensor) -> Tensor:
        return rows if maps is None else rows @ maps.flatten(1)

    mean = unfold(samples.mean(0)).mean(1)
    count = len(samples) * height * width
    rows = samples.movedim(1, 0).flatten(1)
    again = samples if maps is None else samples @ (maps.flatten(1) @ maps.flatten(1).T)
    scatter = rows @ again.movedim(1, 0).flatten(1).T - count * mean[:, None] * mean
    axes = torch.linalg.eigh(scatter)[1].flip(1)[:, :DISCRIMINANT_AXES]
    coordinates = (unfold(axes.T @ samples).mT - axes.T @ mean).flatten(0, 1)
    corners = corner_mask(height, width).flatten().repeat(len(samples)).to(features.device)
    found = _in_corners(_clusters(coordinates[:, :AXES]), corners)
    inside, outside = coordinates[found], coordinates[~found]
    if not len(outside):  # nothing varies, so all is one cluster
        return Background(torch.zeros_like(mean), torch.zeros_like(mean))
    away = inside.mean(0) - outside.mean(0)
    within = _covariance(inside) + _covariance(outside)
    # As much again in every direction: what hardly varies in a few samples is no evidence.
    within = within + (within.trace() / len(within) + 1e-12) * torch.eye(len(within)).to(within)
    detector = torch.linalg.solve(within, away)
    detector = axes @ (detector / (detector @ away).clamp_min(1e-30))
    where = found.view(len(samples), -1, 1).to(samples)
    if maps is not None:
        where = maps.flatten(1) @ where
    return Background((samples @ where).sum((0, 2)) / len(inside) - mean, detector)


def _covariance(points: Tensor) -> Tensor:
    """Of ``[n, d]`` points, however few, ``[d, d]``."""
    away = points - points.mean(0)
    return away.T @ away / len(away)


def _in_corners(labels: Tensor, corners: Tensor) -> Tensor:
    """Which points ``[n]`` are of clusters that lie in the corners more than elsewhere, bool."""
    everywhere = torch.bincount(labels, minlength=CLUSTERS).double() / len(labels)
    there = torch.bincount(labels[corners], minlength=CLUSTERS).double() / corners.sum()
    lift = there / everywhere.clamp_min(1e-30)
    return torch.isin(labels, (lift >= min(LIFT, float(lift.max()))).nonzero()[:, 0])


def _clusters(points: Tensor) -> Tensor:
    """The cluster of each of ``[n, d]`` points, ``[n]``: the best of a few runs of k-means."""
    some = points[:: -(-len(points) // POINTS)]
    draw = torch.Generator().manual_seed(0)
    begins = [torch.randperm(len(some), generator=draw)[:CLUSTERS] for _ in range(RUNS)]
    centers = some[torch.cat(begins).to(some.device)]  # of all runs: they go on side by side
    for _ in range(20):
        chosen = torch.cdist(some, centers).view(len(some), RUNS, -1).argmin(2)
        members = F.one_hot(chosen, len(centers) // RUNS).flatten(1).to(some)
        sizes = members.sum(0)[:, None]
        centers = torch.where(sizes > 0, members.T @ some / sizes.clamp_min(1), centers)
    spreads = torch.cdist(some, centers).view(len(some), RUNS, -1).amin(2).square().sum(0)
    best = centers.view(RUNS, -1, centers.shape[1])[spreads.argmin()]
    return torch.cdist(points, best).argmin(1)
