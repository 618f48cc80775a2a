"""Means over the samples that have a value, with their deviation or their interval."""

from __future__ import annotations

import torch
from torch import Tensor

Estimate = tuple[float, float]
"""A mean, and half of its 95 % interval."""

DRAWS = 2000
"""How often values are drawn anew for an interval."""

CHUNK = 2**22
"""At most this many drawn values are in memory at once."""


def mean_and_std(values: Tensor) -> tuple[float, float]:
    """Return the mean and the standard deviation of the finite values of ``[N]``.

    The mean is NaN where no value is finite; the deviation is zero for fewer than two.
    """
    finite = values[values.isfinite()].double()
    return float(finite.mean()), float(finite.std()) if len(finite) > 1 else 0.0


def estimate(values: Tensor) -> Estimate:
    """Return the mean of the finite values of ``[N]`` or ``[S, N]``, and half of its interval.

    The interval is that of `bootstrap`; it is zero for a single value.
    """
    mean, low, high = bootstrap(values)
    return mean, (high - low) / 2


def ratio(values: Tensor, others: Tensor, seed: int = 0) -> Estimate:
    """Return the ratio of two means over the same samples ``[N]``, and half of its 95 % interval.

    Samples are drawn anew in pairs; see `bootstrap`.
    """
    pairs = torch.stack([values, others]).double()
    draw = torch.Generator().manual_seed(seed)
    size = pairs.shape[1]
    per_chunk = max(1, CHUNK // size)
    drawn = []
    for start in range(0, DRAWS, per_chunk):
        weights = _multiplicities(size, min(per_chunk, DRAWS - start), draw)
        above, below = pairs @ weights.T
        drawn.append(above / below)
    low, high = torch.cat(drawn).quantile(torch.tensor([0.025, 0.975], dtype=torch.float64))
    return float(pairs[0].sum() / pairs[1].sum()), float(high - low) / 2


def share(hits: Tensor) -> Estimate:
    """Return the share of ``[N]`` that is true, and half of its 95 % interval.

    The interval is Wilson's ("Probable inference", 1927), which is no point where all or none are.
    """
    count, mean, z = len(hits), float(hits.double().mean()), 1.96
    spread = (mean * (1 - mean) / count + (z / (2 * count)) ** 2) ** 0.5
    return mean, z * spread / (1 + z * z / count)


def bootstrap(values: Tensor, seed: int = 0) -> tuple[float, float, float]:
    """Return the mean of the finite values, and the ends of its 95 % interval.

    They are percentiles of the means of values that are drawn anew, with replacement. Of figures of
    several fits on the same samples, fits and samples are both drawn, so that the interval holds
    what other samples and other fits would give (Owen, "The pigeonhole bootstrap", 2007).

    Args:
        values: Figures ``[N]`` of N samples, or ``[S, N]`` of S fits on the same N samples.
        seed: Of the draws.

    Returns:
        Mean, lower and upper end; all NaN where no value is finite.
    """
    rows = values.detach().cpu().double().reshape(-1, values.shape[-1])
    known = rows.isfinite()
    weights, sums = known.double(), torch.where(known, rows, 0.0)
    draw = torch.Generator().manual_seed(seed)
    means = []
    per_chunk = max(1, CHUNK // max(1, sum(rows.shape)))
    for start in range(0, DRAWS, per_chunk):
        count = min(per_chunk, DRAWS - start)
        fits, samples = (_multiplicities(size, count, draw) for size in rows.shape)
        total = ((fits @ sums) * samples).sum(1)
        means.append(total / ((fits @ weights) * samples).sum(1))
    drawn = torch.cat(means)
    drawn = drawn[drawn.isfinite()]  # a draw may have no finite value at all
    if not len(drawn):
        return (float("nan"),) * 3
    low, high = drawn.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return float(sums.sum() / weights.sum()), low, high


def _multiplicities(size: int, draws: int, generator: torch.Generator) -> Tensor:
    """Return how often each of ``size`` items is in each of some draws, ``[draws, size]``."""
    chosen = torch.randint(size, (draws, size), generator=generator)
    counts = torch.zeros(draws, size, dtype=torch.float64)
    return counts.scatter_add_(1, chosen, torch.ones_like(counts))
