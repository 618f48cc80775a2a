"""The moments of what parts see: of the columns of Z P, over all samples of all processes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from panda import processes
from panda.statistics import Statistics

TOGETHER = 16
"""Blocks whose sums are float32, before they go into the large ones of float64."""


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
        # Of each column, and mixed. Nothing is iterated on them: plain sums are exact enough.
        size = mean.shape[1]
        sums = torch.zeros(len(gram) + 1, size, size, dtype=torch.float64, device=P.device)
        few = torch.zeros_like(sums, dtype=P.dtype)
        for number, z in enumerate(statistics.samples, 1):
            columns = (pooling @ z.flatten(0, 1).T).view(len(gram), -1, size) - mean[:, None]
            few[:-1].baddbmm_(columns.mT, columns)
            rows, turned = columns.flatten(0, 1), gram @ columns.flatten(1)
            few[-1].addmm_(rows.T, turned.view_as(rows))
            if number % TOGETHER == 0:
                sums += few
                few.zero_()
        (sums,) = processes.add([sums.add_(few)])
        scatter, mixed = sums[:-1], sums[-1]
        mixed = (mixed + mixed.T) / 2
        return cls(statistics.count, mean.T.double(), scatter, mixed, gram.double())

    def about_zero(self) -> tuple[Tensor, Tensor]:
        """The sums of Z P P^T Z^T and of Z P H P^T Z^T, ``[C, C]``, on the CPU."""
        first = self.scatter.sum(0) + self.count * self.mean @ self.mean.T
        second = self.mixed + self.count * self.mean @ self.gram @ self.mean.T
        return first.cpu(), second.cpu()
