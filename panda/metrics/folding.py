"""Batch norms folded into the convolutions before them: half as many passes over the features."""

from __future__ import annotations

from torch import Tensor


def fold(
    weight: Tensor, mean: Tensor, variance: Tensor, shift: Tensor, scale: Tensor | float, eps: float
) -> tuple[Tensor, Tensor]:
    """Return weight and bias of the convolution that does what ``weight`` and a batch norm do.

    Computed in float64, so the result is rounded once.

    Args:
        weight: Of the convolution, ``[C, ...]`` of four dimensions.
        mean: The batch norm's running mean ``[C]``.
        variance: Its running variance ``[C]``.
        shift: Its bias ``[C]``.
        scale: Its weight ``[C]``, or one number.
        eps: What it adds to the variance.
    """
    gain = scale / (variance.double() + eps).sqrt()
    folded = weight.double() * gain[:, None, None, None]
    return folded.to(weight.dtype), (shift.double() - mean.double() * gain).to(weight.dtype)
