"""The core of a fit: all that its rounds need to know of the samples, in one table.

With A or P fixed, the moments of the other one are sums of products of two numbers of a sample. All
such sums over all samples are made once; a round then costs the same for any number of samples.
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
"""Channel axes of the core, with appearances for all channels, where all others are one more axis
(and more of them where there are few components), and with fewer, where others go lost."""

COMPONENTS = 32
"""Spatial components of the core, or 3 for each part where that is more."""

NUMBERS = 6144
"""Numbers of a sample, channels times components, at most: the table has half of its square. Where
the components need more, there are fewer channels."""

BITS = 26
"""Numbers of samples are rounded to so many bits of their norm over all samples: see `_table`."""

BLOCK, STRIP = 256, 512
"""So many samples are multiplied at once, and so many rows of their products are made at once."""


def core_channels(channels: int, components: int, rank: int) -> tuple[int, bool]:
    """How many channel axes a core has, and whether all other channels are one more.

    They are where there are appearances for them, the ``rank`` being theirs.
    """
    every, fewer = CHANNELS
    every = max(every, (every + 1) * COMPONENTS // components - 1)
    wanted = every if rank == channels else max(fewer, rank)
    count = min(channels, wanted, max(1, NUMBERS // components - 1))
    return count, count < min(rank, channels)


@dataclass(frozen=True)
class Core:
    """Samples in their leading spatial components and channel axes, known by their products.

    basis: the components ``[S, L]``. channels: R. table: for each two channels c <= d the sum of
    Z_c^T Z_d, made symmetric, over the energy of the features, ``[R (R + 1) / 2, L L]``. All in
    float64, on the CPU.
    """

    basis: Tensor
    channels: int
    table: Tensor

    @classmethod
    def of(
        cls, statistics: Statistics, axes: Tensor, components: Tensor, scatter: Tensor | None = None
    ) -> Core:
        """From samples in channel axes ``[C, R]`` and spatial components ``[K, L]``, float64.

        With ``scatter [L, L]``, the sum of Z^T Z over all channels and over the energy, what the
        axes leave of it is one more channel: for G, all others then have one eigenvalue in common.
        """
        if scatter is not None:
            axes = functional.pad(axes, (0, 1))
        table = _table(statistics.project(axes, components)).div_(statistics.energy)
        if scatter is not None:
            rows, columns = torch.triu_indices(axes.shape[1], axes.shape[1])
            values, vectors = torch.linalg.eigh(scatter - table[rows == columns].sum(0))
            table[-1] = vectors * values.clamp_min(0) @ vectors.T
        basis = statistics.basis.double().cpu() @ components
        return cls(basis, axes.shape[1], table.flatten(1))

    def of_components(self, A: Tensor) -> tuple[Tensor, Tensor]:
        """The sums of Z^T G Z and Z^T G^2 Z ``[L, L]``, for A ``[R, R_A]`` with G = A A^T."""
        G = A @ A.T
        rows, columns = torch.triu_indices(*G.shape)
        weights = torch.stack([G, G @ G])[:, rows, columns] * (2 - (rows == columns).double())
        first, second = (weights @ self.table).unflatten(1, 2 * self.basis.shape[1:])
        return first, second

    def of_channels(self, P: Tensor) -> tuple[Tensor, Tensor]:
        """The sums of Z H Z^T and Z H^2 Z^T ``[R, R]``, for P ``[S, R_S]`` with H = P P^T."""
        pooling = self.basis.T @ P
        weights = torch.stack([pooling @ pooling.T, pooling @ (P.T @ P) @ pooling.T])
        rows, columns = torch.triu_indices(self.channels, self.channels)
        moments = self.table.new_empty(2, self.channels, self.channels)
        moments[:, rows, columns] = moments[:, columns, rows] = weights.flatten(1) @ self.table.T
        return moments[0], moments[1]


def _table(small: Statistics) -> Tensor:
    """The sum of Z_c^T Z_d, made symmetric, for each two channels c <= d, ``[pairs, L, L]``.

    Numbers are rounded to multiples of 2^-BITS of their norm over all samples. By Cauchy and
    Schwarz no sum of products is larger than two norms, so float64 adds up all of them exactly: in
    any order, and it does not matter who has which samples.
    """
    (squares,) = small.sum(lambda z: (z.double().square().sum(0),))
    _, exponents = torch.frexp(squares.flatten().sqrt())
    scales = torch.ldexp(torch.ones(len(exponents)).double(), BITS - exponents)
    scales = scales.to(small.basis.device)
    components = small.samples.row[1]
    step = max(1, STRIP // components) * components
    starts = range(0, len(scales), step)
    strips = [scales.new_zeros(len(scales[i : i + step]), len(scales[i:])) for i in starts]
    for rows in _many(small.samples):
        rounded = (rows * scales).round()
        for start, strip in zip(starts, strips, strict=True):
            strip.addmm_(rounded[:, start : start + step].T, rounded[:, start:])
    strips = processes.add(strips)
    channels = small.samples.row[0]
    table = scales.new_empty(channels * (channels + 1) // 2, components, components)
    end = len(table)
    for start in reversed(starts):  # and each goes when it is used
        products = strips.pop().div_(scales[start : start + step, None] * scales[start:])
        blocks = products.view(-1, components, products.shape[1] // components, components)
        for c in reversed(range(len(blocks))):
            pairs = blocks[c, :, c:].movedim(1, 0) / 2
            torch.add(pairs, pairs.mT, out=table[end - len(pairs) : end])
            end -= len(pairs)
    return table.cpu()


def _many(samples: Samples) -> Iterator[Tensor]:
    """The samples as rows ``[B, R L]``, at least `BLOCK` at once but for the last, float64."""
    waiting: list[Tensor] = []
    for block in samples:
        waiting.append(block.flatten(1).double())
        if sum(map(len, waiting)) >= BLOCK:
            yield torch.cat(waiting)
            waiting = []
    if waiting:
        yield torch.cat(waiting)
