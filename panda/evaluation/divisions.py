"""Ways to divide a layer: parts of several kinds, and what needs no factorization."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from scipy.cluster.vq import kmeans, vq
from torch import Tensor
from torch.nn.functional import normalize

from panda.editing.refine import refine_from
from panda.errors import PandaError
from panda.factorization.artifacts import Artifacts
from panda.factorization.factors import scale_parts
from panda.factorization.solvers.joint import Solution, joint
from panda.factorization.statistics import Statistics, spatial_scatter
from panda.generators.contract import Layer, on_canvas

KINDS = ("parts", "balanced", "refined", "balanced, refined")
"""Parts as `panda.fit` finds them without artifacts; parts of positions that all vary alike; and
both kinds fitted to each image."""

CONTROLS = ("clusters", "grid")
"""K-means of the positions by how their features vary together; and equal rectangles."""

STARTS = 5
"""Random starts of k-means."""


@dataclass(frozen=True, eq=False)
class Division:
    """R masks for each image.

    Attributes:
        kind: One of `KINDS` or `CONTROLS`.
        count: R, as asked for; there may be fewer `clusters`.
        masks: From features ``[N, C, H, W]`` to masks ``[N, R, h, w]`` in [0, 1], or
            ``[1, R, h, w]`` where they are the same in all images.
        loss: That of the factors; none for `CONTROLS`.
        stability: That of the least stable part, likewise.
    """

    kind: str
    count: int
    masks: Callable[[Tensor], Tensor]
    loss: float | None = None
    stability: float | None = None


def divisions(
    statistics: Statistics, layer: Layer, counts: Sequence[int]
) -> Iterator[Division | PandaError]:
    """Yield every division of a layer, or why it cannot be divided so.

    Args:
        statistics: The samples of the layer, with its artifacts.
        layer: The layer.
        counts: Numbers of parts.
    """
    plain = replace(statistics, artifacts=None)
    basis = statistics.basis.double().cpu()
    mean = statistics.seen_mean.double().cpu()
    covariance = spatial_scatter(statistics) / statistics.count - mean.T @ mean
    variance = ((basis @ covariance) * basis).sum(1)
    balanced = replace(statistics, artifacts=Artifacts.equalizing(layer, variance))
    values, vectors = torch.linalg.eigh(covariance)
    points = basis @ (vectors * values.clamp_min(0).sqrt())
    for count in counts:
        for kind, seen in zip(KINDS, (plain, balanced), strict=False):
            try:
                solution = joint(seen, layer.channels, count)
            except PandaError as error:  # the features have fewer parts
                yield error
                continue
            yield from _of_parts(kind, solution, layer, clean=seen is balanced)
        for kind, masks in (
            ("clusters", clusters(points, layer, count)),
            ("grid", grid(layer, count)),
        ):
            yield Division(kind, count, partial(_constant, masks[None]))


def _of_parts(kind: str, solution: Solution, layer: Layer, clean: bool) -> Iterator[Division]:
    """Yield the parts of a solution, and the same ones refined."""
    A, P = solution.appearances, solution.parts
    shared = _as_masks(P[None], layer)
    stability = min(solution.stability, default=None)

    def refined(features: Tensor) -> Tensor:
        return _as_masks(refine_from(A, P, features, clean=clean), layer)

    after = KINDS[KINDS.index(kind) + 2]
    for name, make in ((kind, partial(_constant, shared)), (after, refined)):
        yield Division(name, P.shape[1], make, solution.trace[-1], stability)


def _constant(masks: Tensor, features: Tensor) -> Tensor:
    """Return the same masks, whatever the features."""
    return masks


def _as_masks(parts: Tensor, layer: Layer) -> Tensor:
    """Return parts ``[N, S, R]`` as masks ``[N, R, h, w]``; see `Factors.as_masks`."""
    maps = scale_parts(parts).mT.reshape(-1, layer.height, layer.width)
    masks = on_canvas(maps, layer)
    return masks.view(len(parts), -1, *masks.shape[1:])


def grid(layer: Layer, count: int) -> Tensor:
    """Return equal rectangles, rows before columns, as masks ``[count, h, w]``."""
    columns = next(k for k in range(int(count**0.5), 0, -1) if count % k == 0)
    rows, side = count // columns, layer.side
    width = layer.width - 2 * layer.margin
    down = torch.arange(side) * rows // side
    across = torch.arange(width) * columns // width
    return _one_hot(down[:, None] * columns + across, count)


def clusters(points: Tensor, layer: Layer, count: int) -> Tensor:
    """Return positions that vary alike as masks ``[R, h, w]``, R at most ``count``.

    K-means of unit vectors: the best of a few random starts.

    Args:
        points: A vector for each position ``[S, K]``, whose products are the covariances.
        layer: The layer.
        count: The number of clusters.
    """
    maps = on_canvas(points.T.reshape(-1, layer.height, layer.width), layer)
    inside = normalize(maps.flatten(1).T, dim=1)
    draw = torch.Generator().manual_seed(0)
    tries = [
        kmeans(inside.numpy(), inside[torch.randperm(len(inside), generator=draw)[:count]].numpy())
        for _ in range(STARTS)
    ]
    centers, _ = min(tries, key=lambda result: float(result[1]))
    labels, _ = vq(inside.numpy(), centers)
    return _one_hot(torch.from_numpy(labels).view(maps.shape[1:]), len(centers))


def _one_hot(labels: Tensor, count: int) -> Tensor:
    return (labels.long() == torch.arange(count)[:, None, None]).float()
