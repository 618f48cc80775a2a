"""The moments of Z P, the features pooled by parts, over all samples of all processes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from panda.factorization import processes
from panda.factorization.statistics import Statistics

STRIP = 128
"""The rows of the moments that are computed together."""


@dataclass(frozen=True, eq=False)
class PartMoments:
    """How Z P ``[C, R_S]`` varies about its mean, which is all that the last steps of a fit need.

    All tensors are float64.

    Attributes:
        count: N, the number of samples.
        mean: The mean of Z P, ``[C, R_S]``.
        scatter: The scatter of each column of Z P, ``[R_S, C, C]``.
        mixed: The sum over all samples of (Z P - mean) H (Z P - mean)^T, ``[C, C]``.
        gram: H = P^T P, ``[R_S, R_S]``.
    """

    count: int
    mean: Tensor
    scatter: Tensor
    mixed: Tensor
    gram: Tensor

    @classmethod
    def of(cls, statistics: Statistics, P: Tensor) -> PartMoments:
        """Compute the moments in one pass over the samples.

        Args:
            statistics: The samples.
            P: Parts ``[S, R_S]``.
        """
        P = P.to(statistics.basis)
        pooling, gram = P.T @ statistics.basis, P.double().T @ P.double()
        mean = pooling @ statistics.seen_mean.T
        # For each column, and mixed. Products are of float64: where there are fewer samples times
        # parts than channels, some axes have no energy, and the best appearances divide by what
        # rounding leaves there. Both moments are symmetric, so only the blocks from the diagonal on
        # are computed.
        size = mean.shape[1]
        starts = range(0, size, STRIP)
        like = torch.zeros(0, dtype=torch.float64, device=P.device)
        strips = [like.new_zeros(len(gram) + 1, min(STRIP, size - c), size - c) for c in starts]
        for z in statistics.samples:
            columns = (pooling @ z.flatten(0, 1).T).view(len(gram), -1, size) - mean[:, None]
            columns = columns.double()
            rows, weighted = columns.view(-1, size), (gram @ columns.flatten(1)).view(-1, size)
            for c, strip in zip(starts, strips, strict=True):
                strip[:-1] += columns[..., c : c + STRIP].mT @ columns[..., c:]
                strip[-1] += rows[:, c : c + STRIP].T @ weighted[:, c:]
        sums = like.new_empty(len(gram) + 1, size, size)
        for c, strip in zip(starts, processes.all_reduce(strips), strict=True):
            sums[:, c : c + STRIP, c:] = strip
            sums[:, c:, c : c + STRIP] = strip.mT
        return cls(statistics.count, mean.T.double(), sums[:-1], sums[-1], gram)

    def about_zero(self) -> tuple[Tensor, Tensor]:
        """Return the sums of Z P P^T Z^T and of Z P H P^T Z^T, both ``[C, C]``, on the CPU."""
        first = self.scatter.sum(0) + self.count * self.mean @ self.mean.T
        second = self.mixed + self.count * self.mean @ self.gram @ self.mean.T
        return (first + first.T).cpu() / 2, (second + second.T).cpu() / 2
