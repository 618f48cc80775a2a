"""The moments of what parts see: of the columns of Z P, over all samples of all processes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from panda.factorization import processes
from panda.factorization.statistics import Statistics

STRIP = 128
"""So many rows of the moments are made at once."""


@dataclass(frozen=True)
class PartMoments:
    """How Z P ``[C, R_S]`` varies about its mean: all that the last steps of a fit need of it.

    mean: of Z P, ``[C, R_S]``. scatter: of each column, ``[R_S, C, C]``. mixed: the sum over all
    samples of (Z P - mean) H (Z P - mean)^T, ``[C, C]``, with ``gram`` H = P^T P. All in float64.
    """

    count: int
    mean: Tensor
    scatter: Tensor
    mixed: Tensor
    gram: Tensor

    @classmethod
    def of(cls, statistics: Statistics, P: Tensor) -> PartMoments:
        """One pass over the samples, for parts ``[S, R_S]``."""
        P = P.to(statistics.basis)
        pooling, gram = P.T @ statistics.basis, P.T @ P
        mean = pooling @ statistics.seen_mean.T
        # Of each column, and mixed. Nothing is iterated on them: plain sums are exact enough. They
        # are symmetric, so what is below the blocks on the diagonal is not made.
        size = mean.shape[1]
        starts = range(0, size, STRIP)
        like = torch.zeros(0, dtype=torch.float64, device=P.device)
        strips = [like.new_zeros(len(gram) + 1, min(STRIP, size - c), size - c) for c in starts]
        for z in statistics.samples:
            columns = (pooling @ z.flatten(0, 1).T).view(len(gram), -1, size) - mean[:, None]
            rows, turned = columns.view(-1, size), (gram @ columns.flatten(1)).view(-1, size)
            for c, strip in zip(starts, strips, strict=True):
                strip[:-1] += columns[..., c : c + STRIP].mT @ columns[..., c:]
                strip[-1] += rows[:, c : c + STRIP].T @ turned[:, c:]
        sums = like.new_empty(len(gram) + 1, size, size)
        for c, strip in zip(starts, processes.all_reduce(strips), strict=True):
            sums[:, c : c + STRIP, c:] = strip
            sums[:, c:, c : c + STRIP] = strip.mT
        return cls(statistics.count, mean.T.double(), sums[:-1], sums[-1], gram.double())

    def about_zero(self) -> tuple[Tensor, Tensor]:
        """The sums of Z P P^T Z^T and of Z P H P^T Z^T, ``[C, C]``, on the CPU."""
        first = self.scatter.sum(0) + self.count * self.mean @ self.mean.T
        second = self.mixed + self.count * self.mean @ self.gram @ self.mean.T
        return (first + first.T).cpu() / 2, (second + second.T).cpu() / 2
