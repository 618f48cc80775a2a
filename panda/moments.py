"""The moments of what parts see: of the columns of Z P, over all samples of all processes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from panda import processes
from panda.statistics import Statistics


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
        pooling, gram = statistics.basis.T @ P, P.T @ P
        mean = (statistics.mean @ statistics.basis) @ pooling
        size = len(mean)
        scatter = torch.zeros(len(gram), size, size, dtype=torch.float64, device=P.device)
        mixed = torch.zeros_like(scatter[0])
        # Nothing is iterated on these sums, and they are large: plain ones are exact enough.
        for z in statistics.samples:
            columns = (z @ pooling - mean).permute(2, 1, 0).contiguous()
            scatter += columns @ columns.mT
            mixed += _rows(columns) @ _rows((gram @ columns.flatten(1)).view_as(columns)).T
        scatter, mixed = processes.add([scatter, mixed])
        return cls(statistics.count, mean.double(), scatter, (mixed + mixed.T) / 2, gram.double())

    def about_zero(self) -> tuple[Tensor, Tensor]:
        """The sums of Z P P^T Z^T and of Z P H P^T Z^T, ``[C, C]``, on the CPU."""
        first = self.scatter.sum(0) + self.count * self.mean @ self.mean.T
        second = self.mixed + self.count * self.mean @ self.gram @ self.mean.T
        return first.cpu(), second.cpu()


def _rows(columns: Tensor) -> Tensor:
    """Columns of samples ``[R_S, C, B]`` as ``[C, R_S B]``."""
    return columns.movedim(1, 0).flatten(1)
