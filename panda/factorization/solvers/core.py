"""The core of a fit: everything that its rounds need of the samples, in one table.

With A or P fixed, the moments of the other factor are sums of products of two numbers of a sample.
The core adds up all these products once; a round then costs the same for any number of samples.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from panda.factorization import processes
from panda.factorization.samples import Samples
from panda.factorization.statistics import Statistics

CHANNELS = 39, 63
"""Channel axes of the core: with appearances for all channels, where all other channels are one
more axis (and more axes where there are few components); and with fewer, where they are dropped."""

COMPONENTS = 32
"""Spatial components of the core, or 3 for each part where that is more."""

NUMBERS = 6144
"""Channels times components, at most: the table has half of its square. Where the components need
more, there are fewer channels."""

BITS = 26
"""The numbers of samples are rounded to this many bits of their norm over all samples: see
`_table`."""

BLOCK, STRIP = 256, 512
"""Samples that are multiplied together, and rows of their products that are computed together."""


def core_channels(channels: int, components: int, rank: int) -> tuple[int, bool]:
    """Return the number of channel axes of a core, and whether all other channels are one more.

    Args:
        channels: C, the channels of the layer.
        components: L, the spatial components of the core.
        rank: R_C, the number of appearances; the other channels count where it exceeds the axes.
    """
    full, reduced = CHANNELS
    full = max(full, (full + 1) * COMPONENTS // components - 1)
    wanted = full if rank == channels else max(reduced, rank)
    count = min(channels, wanted, max(1, NUMBERS // components - 1))
    return count, count < min(rank, channels)


@dataclass(frozen=True, eq=False)
class Core:
    """The products of samples in their leading spatial components and channel axes.

    Everything is float64, on the CPU.
    """

    basis: Tensor
    """The spatial components, ``[S, L]``."""

    channels: int
    """R, the number of channel axes."""

    table: Tensor
    """For each two channels c <= d the sum of Z_c^T Z_d, made symmetric, over the energy of the
    features, ``[R (R + 1) / 2, L L]``."""

    @classmethod
    def of(
        cls,
        statistics: Statistics,
        axes: Tensor,
        components: Tensor,
        scatter: Tensor | None = None,
        *,
        basis: Tensor | None = None,
        energy: float | None = None,
        odd: bool = False,
    ) -> Core:
        """Make the core of samples in some channel axes and spatial components.

        Args:
            statistics: The samples.
            axes: Channel axes ``[C, R]``, float64.
            components: Spatial components ``[K, L]``, float64.
            scatter: The sum of Z^T Z over all channels, divided by the energy, ``[L, L]``. If it is
                given, what the axes leave of it is one more channel: for G, all other channels then
                have one eigenvalue in common.
            basis: The components as maps ``[S, L]``, where they are of cleaned features.
            energy: The energy of those features, likewise.
            odd: Take every second sample only; the scatter is theirs.
        """
        if scatter is not None:
            axes = functional.pad(axes, (0, 1))
        small = statistics.project(axes, components)
        table = _table(small.odd_half() if odd else small).div_(energy or statistics.energy)
        if scatter is not None:
            rows, columns = torch.triu_indices(axes.shape[1], axes.shape[1])
            values, vectors = torch.linalg.eigh(scatter - table[rows == columns].sum(0))
            table[-1] = vectors * values.clamp_min(0) @ vectors.T
        if basis is None:
            basis = statistics.basis.double().cpu() @ components
        return cls(basis, axes.shape[1], table.flatten(1))

    def of_components(self, A: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sums of Z^T G Z and Z^T G^2 Z, both ``[L, L]``.

        Args:
            A: Appearances in the channel axes, ``[R, R_A]``; G = A A^T.
        """
        G = A @ A.T
        rows, columns = torch.triu_indices(*G.shape)
        weights = torch.stack([G, G @ G])[:, rows, columns] * (2 - (rows == columns).double())
        first, second = (weights @ self.table).unflatten(1, 2 * self.basis.shape[1:])
        return first, second

    def of_channels(self, P: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sums of Z H Z^T and Z H^2 Z^T, both ``[R, R]``.

        Args:
            P: Parts ``[S, R_S]``; H = P P^T.
        """
        pooling = self.basis.T @ P
        weights = torch.stack([pooling @ pooling.T, pooling @ (P.T @ P) @ pooling.T])
        rows, columns = torch.triu_indices(self.channels, self.channels)
        moments = self.table.new_empty(2, self.channels, self.channels)
        moments[:, rows, columns] = moments[:, columns, rows] = weights.flatten(1) @ self.table.T
        return moments[0], moments[1]


def _table(small: Statistics) -> Tensor:
    """Return the sum of Z_c^T Z_d, made symmetric, for each two channels c <= d, ``[pairs, L, L]``.

    Numbers are rounded to multiples of 2^-BITS of their norm over all samples. By Cauchy and
    Schwarz no sum of products exceeds the product of two norms, so float64 adds up all of them
    exactly: in any order, and however processes share the samples.
    """
    (squares,) = small.sum(lambda z: (z.double().square().sum(0),))
    _, exponents = torch.frexp(squares.flatten().sqrt())
    scales = torch.ldexp(torch.ones(len(exponents)).double(), BITS - exponents)
    scales = scales.to(small.basis.device)
    components = small.samples.row[1]
    step = max(1, STRIP // components) * components
    starts = range(0, len(scales), step)
    strips = [scales.new_zeros(len(scales[i : i + step]), len(scales[i:])) for i in starts]
    for rows in _large_blocks(small.samples):
        rounded = (rows * scales).round()
        for start, strip in zip(starts, strips, strict=True):
            strip.addmm_(rounded[:, start : start + step].T, rounded[:, start:])
    strips = processes.all_reduce(strips)
    channels = small.samples.row[0]
    table = scales.new_empty(channels * (channels + 1) // 2, components, components)
    end = len(table)
    for start in reversed(starts):  # so that each strip can be freed after its use
        products = strips.pop().div_(scales[start : start + step, None] * scales[start:])
        blocks = products.view(-1, components, products.shape[1] // components, components)
        for c in reversed(range(len(blocks))):
            pairs = blocks[c, :, c:].movedim(1, 0) / 2
            torch.add(pairs, pairs.mT, out=table[end - len(pairs) : end])
            end -= len(pairs)
    return table.cpu()


def _large_blocks(samples: Samples) -> Iterator[Tensor]:
    """Yield samples as float64 rows ``[B, R L]``, at least `BLOCK` of them except at the end."""
    pending: list[Tensor] = []
    for block in samples:
        pending.append(block.flatten(1).double())
        if sum(map(len, pending)) >= BLOCK:
            yield torch.cat(pending)
            pending = []
    if pending:
        yield torch.cat(pending)
