"""Batch norms folded into the convolutions before them, which halves the passes over features."""

from __future__ import annotations

from torch import Tensor


def fold(
    weight: Tensor, mean: Tensor, variance: Tensor, shift: Tensor, scale: Tensor | float, eps: float
) -> tuple[Tensor, Tensor]:
    """Weight and bias of the one convolution that is ``weight`` followed by the batch norm.

    Computed in float64: the result is rounded once.
    """
    gain = scale / (variance.double() + eps).sqrt()
    folded = weight.double() * gain[:, None, None, None]
    return folded.to(weight.dtype), (shift.double() - mean.double() * gain).to(weight.dtype)
