"""Mean and standard deviation over the samples that have a value."""

from __future__ import annotations

from torch import Tensor

MeanStd = tuple[float, float]
"""Mean and standard deviation over samples."""


def mean_and_interval(values: Tensor) -> tuple[float, float]:
    """Return the mean of the finite values of ``[N]``, and half of its 95 % interval.

    The interval is that of a normal distribution around the mean.
    """
    mean, deviation = mean_and_std(values)
    return mean, 1.96 * deviation / max(1, int(values.isfinite().sum())) ** 0.5


def mean_and_std(values: Tensor) -> MeanStd:
    """Return the mean and the standard deviation of the finite values of ``[N]``.

    The mean is NaN where no value is finite; the deviation is zero for fewer than two.
    """
    finite = values[values.isfinite()].double()
    return float(finite.mean()), float(finite.std()) if len(finite) > 1 else 0.0
