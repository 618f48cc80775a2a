"""Positions that dominate a layer by artifacts, and features without them for the search of parts.

In some generators a few positions vary hundreds of times as much as all others, from paddings and
from the overlaps of transposed convolutions (Odena et al., "Deconvolution and checkerboard
artifacts", 2016). The loss of PandA counts squares, so most parts would be specks on those
positions. Where that is so, parts are looked for in features whose outer rows and columns repeat
their neighbors, which are blurred by (1, 2, 1) / 4, the filter without the frequency of a
checkerboard, and whose positions all vary alike. Appearances and the loss are of the features as
they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from panda.factorization import processes
from panda.generators.contract import Layer

EXCESS = 20.0
"""There are artifacts where some position varies this many times as much as the median one. On
six generators of faces it is 2 to 6 up to 32 x 32 positions, and 15 at 64 x 64; on one of painted
eyes, made by transposed convolutions, 79 to 148 at 16 x 16 and 232 to 427 at 32 x 32, over six sets
of samples."""

SAMPLES = 128
"""The first samples, whose variance decides. Of 32, a few would: there it is 10 to 209."""

RING = 16
"""Of this many rows, one at each end repeats its neighbor; at least one does."""

LEAST = 1e-4
"""Positions that vary less than this part of the median are not scaled up further."""


@dataclass(frozen=True, eq=False)
class Artifacts:
    """Where the positions of a layer vary how much, in a layer with artifacts.

    Attributes:
        height: Rows of positions.
        width: Columns of positions.
        scales: What equalizes the variance of positions, ``[S]``, 1 at the median one.
    """

    height: int
    width: int
    scales: Tensor

    @classmethod
    def equalizing(cls, layer: Layer, variance: Tensor) -> Artifacts:
        """Return the artifacts of a layer whose positions vary so much, ``[S]``."""
        return cls(layer.height, layer.width, _equalizing(variance).float())

    @property
    def ring(self) -> int:
        """The number of outer rows, and of outer columns, that repeat their neighbors."""
        return ring_of(self.height, self.width)

    @property
    def weights(self) -> Tensor:
        """How much of a part its positions have, ``[S]``: less where they vary too much."""
        return self.scales.clamp_max(1)

    def clean(self, maps: Tensor) -> Tensor:
        """Return maps ``[K, S]`` as `without_artifacts` does."""
        return without_artifacts(maps.view(-1, self.height, self.width)).flatten(1)

    def view(self, basis: Tensor, covariance: Tensor) -> tuple[Tensor, Tensor]:
        """Return how samples in a spatial basis look without artifacts.

        Args:
            basis: Q ``[S, K]``, in which samples ``Z Q [C, K]`` are given.
            covariance: Their spatial covariance ``[K, K]``, to any scale.

        Returns:
            An orthonormal basis ``[S, K]``, and the matrix ``[K, K]`` by which samples are
            multiplied to be in that one.
        """
        maps = self.clean(basis.T)
        variance = ((covariance @ maps) * maps).sum(0)
        orthonormal, triangle = torch.linalg.qr((maps * _equalizing(variance)).T)
        return orthonormal, triangle.T


def without_artifacts(maps: Tensor) -> Tensor:
    """Return maps ``[K, H, W]`` with an inner border and without a checkerboard."""
    height, width = maps.shape[1:]
    ring = ring_of(height, width)
    inner = maps[None, :, ring : height - ring, ring : width - ring]
    inner = F.pad(inner, (ring + 1,) * 4, mode="replicate")[0, :, None]
    row = inner.new_tensor([0.25, 0.5, 0.25])
    return F.conv2d(inner, (row[:, None] * row)[None, None])[:, 0]


def ring_of(height: int, width: int) -> int:
    """Return how many outer rows and columns of a map are its border."""
    return max(1, min(height, width) // RING)


def find_artifacts(
    batches: Mapping[int, Tensor], count: int, like: Tensor, layer: Layer
) -> Artifacts | None:
    """Return the artifacts of a layer; None where it has none, or too few positions to tell.

    Args:
        batches: This process's share of the first samples, ``[B, C, S]``, under the number of their
            first sample; samples from `SAMPLES` on are ignored.
        count: The number of samples of all processes.
        like: Any batch, for shape and device.
        layer: The layer.
    """
    if min(layer.height, layer.width) < 4 * ring_of(layer.height, layer.width) + 1:
        return None
    mean = torch.zeros(like.shape[1:], dtype=torch.float64, device=like.device)
    squares = torch.zeros(layer.positions, dtype=torch.float64, device=like.device)
    for start, batch in batches.items():
        few = batch[: max(0, SAMPLES - start)]
        mean += few.sum(0).double()
        squares += torch.linalg.vector_norm(few, dim=1).double().square().sum(0)
    mean, squares = processes.all_reduce([mean, squares])
    seen = min(count, SAMPLES)
    variance = squares / seen - (mean / seen).square().sum(0)
    if not float(variance.max()) > EXCESS * float(variance.median()) > 0:
        return None
    return Artifacts.equalizing(layer, variance)


def _equalizing(variance: Tensor) -> Tensor:
    """Return by what ``[S]`` positions are multiplied to vary as the median one does."""
    return (variance / variance.median()).clamp_min(LEAST).rsqrt()
