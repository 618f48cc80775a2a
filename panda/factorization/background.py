"""The background of images, found without labels (paper, section 4.2).

Objects stand in the middle of the images that these generators learn, and their surroundings reach
the border at the top and at the upper sides. The features of a few samples fall into clusters, and
the clusters that fill the upper corners are background. (Everything near the border would include
hair.)

The result is two vectors. The appearance is how background differs from the mean feature: what to
paint. The detector separates background from the rest best (Fisher's discriminant): where it is.
They differ, since features also vary in ways that have nothing to do with the background.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from panda.factorization.linear_algebra import eigenvectors
from panda.generators.contract import Layer, on_canvas

BORDERS = ("corners", "top", "sides", "none")
"""Where background meets the border of the image; see `look_mask` and `border_mask`."""

SIDE = 32
"""Features are averaged to this many positions a side, if they have more."""

SAMPLES = 32
"""The number of samples that are clustered; twice as many find the background no better."""

CLUSTERS, AXES, RUNS = 6, 16, 4
"""The number of clusters, of the principal axes in which they lie, and of k-means runs."""

LIFT = 1.5
"""A cluster is background if it is this many times as dense in the corners as everywhere."""

DISCRIMINANT_AXES = 64
"""The number of principal axes that span the detector."""

POINTS = 8192
"""The number of positions that k-means sees, evenly spread; the others join the nearest center."""


@dataclass(frozen=True, eq=False)
class Background:
    """What background looks like and where it is; both are zero where features do not vary."""

    appearance: Tensor
    """The mean feature of background less that of everything, ``[C]``."""

    detector: Tensor
    """A vector ``[C]`` whose coordinate is higher by one on background than elsewhere."""

    axes: Tensor
    """The principal axes of the features that it was found in, ``[C, D]``."""


def border_mask(layer: Layer, skip: int = 0, border: str = BORDERS[0]) -> Tensor:
    """Return the outermost positions of the image at a border, ``[H, W]`` of zeros and ones.

    Args:
        layer: The layer.
        skip: How many outer rows and columns of the image, with artifacts, are left out.
        border: ``"corners"``: the top row and the upper half of the sides; ``"top"``: the top row;
            ``"sides"``: all four; ``"none"``: nothing.
    """
    mask = torch.zeros(layer.height, layer.width)
    skip += layer.margin
    inside = mask[skip : layer.height - skip, skip : layer.width - skip]
    if border != "none":
        inside[0] = 1
    if border == "corners":
        inside[: (len(inside) + 1) // 2, [0, -1]] = 1
    if border == "sides":
        inside[-1] = inside[:, 0] = inside[:, -1] = 1
    return mask


def look_mask(height: int, width: int, border: str = BORDERS[0]) -> Tensor:
    """Return where background is looked for, ``[H, W]`` bool.

    Args:
        height: Rows.
        width: Columns.
        border: ``"corners"``: the upper third of the outer sixths; ``"top"``: the upper sixth;
            ``"sides"``: the outer sixth all around; ``"none"``: nowhere.
    """
    mask = torch.zeros(height, width, dtype=torch.bool)
    rows, columns = max(1, height // 6), max(1, width // 6)
    if border == "corners":
        third = max(1, height // 3)
        mask[:third, :columns] = mask[:third, -columns:] = True
    if border in ("top", "sides"):
        mask[:rows] = True
    if border == "sides":
        mask[-rows:] = mask[:, :columns] = mask[:, -columns:] = True
    return mask


def pooled(maps: Tensor, layer: Layer) -> Tensor:
    """Cut maps ``[N, H, W]`` to the image, and average them to at most `SIDE` positions a side."""
    inside = on_canvas(maps, layer)
    height, width = (min(SIDE, side) for side in inside.shape[1:])
    return F.adaptive_avg_pool2d(inside[None], (height, width))[0]


def find_background(
    features: Tensor,
    maps: Tensor | None = None,
    place: Tensor | None = None,
    points: int = POINTS,
) -> Background:
    """Find the background in features of samples, without labels.

    Args:
        features: Features ``[N, C, h, w]``, `pooled`; or, with ``maps``, their coefficients
            ``[N, C, K]``, less their mean: beside a large mean, the variation would be lost to
            rounding.
        maps: The maps ``[K, h, w]`` of which features are sums; only a few axes of the features are
            ever expanded to positions.
        place: Where background is looked for, ``[h, w]`` bool; by default in the upper corners.
        points: The number of positions that k-means sees.
    """
    height, width = (features if maps is None else maps).shape[-2:]
    samples = features.flatten(2)
    if maps is None:
        samples = samples - samples.mean((0, 2), keepdim=True)

    def expand(rows: Tensor) -> Tensor:
        return rows if maps is None else rows @ maps.flatten(1)

    mean = expand(samples.mean(0)).mean(1)
    count = len(samples) * height * width
    rows = samples.movedim(1, 0).flatten(1)
    weighted = samples if maps is None else samples @ (maps.flatten(1) @ maps.flatten(1).T)
    scatter = rows @ weighted.movedim(1, 0).flatten(1).T - count * mean[:, None] * mean
    axes = eigenvectors(scatter)[1][:, :DISCRIMINANT_AXES]
    coordinates = (expand(axes.T @ samples).mT - axes.T @ mean).flatten(0, 1)
    place = look_mask(height, width) if place is None else place
    where = place.flatten().repeat(len(samples)).to(features.device)
    background = _in_place(_clusters(coordinates[:, :AXES], points), where)
    inside, outside = coordinates[background], coordinates[~background]
    if not len(inside) or not len(outside):  # it is looked for nowhere, or nothing varies
        return Background(torch.zeros_like(mean), torch.zeros_like(mean), axes)
    difference = inside.mean(0) - outside.mean(0)
    within = _covariance(inside) + _covariance(outside)
    # A ridge of the mean variance: an axis that hardly varies in a few samples is no evidence.
    within = within + (within.trace() / len(within) + 1e-12) * torch.eye(len(within)).to(within)
    detector = torch.linalg.solve(within, difference)
    detector = axes @ (detector / (detector @ difference).clamp_min(1e-30))
    where = background.view(len(samples), -1, 1).to(samples)
    if maps is not None:
        where = maps.flatten(1) @ where
    return Background((samples @ where).sum((0, 2)) / len(inside) - mean, detector, axes)


def _covariance(points: Tensor) -> Tensor:
    """Return the covariance ``[d, d]`` of points ``[n, d]``, of which there may be just one."""
    centered = points - points.mean(0)
    return centered.T @ centered / len(centered)


def _in_place(labels: Tensor, place: Tensor) -> Tensor:
    """Return which points ``[n]`` are in clusters that are denser in a place, bool."""
    if not bool(place.any()):
        return torch.zeros_like(place)
    overall = torch.bincount(labels, minlength=CLUSTERS).double() / len(labels)
    inside = torch.bincount(labels[place], minlength=CLUSTERS).double() / place.sum()
    lift = inside / overall.clamp_min(1e-30)
    return torch.isin(labels, (lift >= min(LIFT, float(lift.max()))).nonzero()[:, 0])


def _clusters(points: Tensor, seen: int = POINTS) -> Tensor:
    """Return the cluster ``[n]`` of each point ``[n, d]``, by the best of a few runs of k-means."""
    subset = points[:: -(-len(points) // seen)]
    draw = torch.Generator().manual_seed(0)
    starts = [torch.randperm(len(subset), generator=draw)[:CLUSTERS] for _ in range(RUNS)]
    centers = subset[torch.cat(starts).to(subset.device)]  # of all runs, side by side
    for _ in range(20):
        nearest = torch.cdist(subset, centers).view(len(subset), RUNS, -1).argmin(2)
        members = F.one_hot(nearest, len(centers) // RUNS).flatten(1).to(subset)
        sizes = members.sum(0)[:, None]
        centers = torch.where(sizes > 0, members.T @ subset / sizes.clamp_min(1), centers)
    spreads = torch.cdist(subset, centers).view(len(subset), RUNS, -1).amin(2).square().sum(0)
    best = centers.view(RUNS, -1, centers.shape[1])[spreads.argmin()]
    return torch.cdist(points, best).argmin(1)
