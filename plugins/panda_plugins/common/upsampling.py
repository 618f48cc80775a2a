"""Nearest upsampling by two, with and without the 3 x 3 convolution that follows it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def transposed_kernel(weight: Tensor, *, transposed: bool = False) -> Tensor:
    """Return the kernel of `upsampled_conv` for the weights of a 3 x 3 convolution.

    Nearest upsampling and a 3 x 3 convolution equal one transposed convolution of stride 2 whose
    kernel is the sum of the four shifts of the flipped weights: 4 products per output instead of 9.

    Args:
        weight: ``[C_out, C, 3, 3]``, or ``[C, C_out, 3, 3]`` where it is transposed.
        transposed: Whether the weights are already those of a transposed convolution (ProGAN's
            fused layers).

    Returns:
        ``[C, C_out, 4, 4]``.
    """
    if not transposed:
        weight = weight.flip(2, 3).transpose(0, 1)
    padded = F.pad(weight, (1, 1, 1, 1))
    total = padded[..., :4, :4].clone()
    for i, j in ((0, 1), (1, 0), (1, 1)):
        total += padded[..., i : i + 4, j : j + 4]
    return total.contiguous(memory_format=torch.channels_last)


def upsampled_conv(x: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
    """Upsample ``[N, C, H, W]`` by two and convolve it: ``[N, C_out, 2 H, 2 W]``.

    ``kernel`` comes from `transposed_kernel`; ``bias`` is ``[C_out]``.
    """
    return F.conv_transpose2d(x, kernel, bias, stride=2, padding=1)


def add_upsampled(x: Tensor, low: Tensor) -> Tensor:
    """Upsample ``low`` ``[N, C, H, W]`` and add it to ``x`` ``[N, C, 2 H, 2 W]`` in place."""
    n, c, height, width = low.shape
    x.view(n, c, height, 2, width, 2).add_(low[:, :, :, None, :, None])
    return x
