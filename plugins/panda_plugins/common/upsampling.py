"""Nearest upsampling by two, with and without the 3 x 3 convolution that follows it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def transposed_kernel(weight: Tensor, *, transposed: bool = False) -> Tensor:
    """Kernel ``[C, C_out, 4, 4]`` of `upsampled_conv` from weights ``[C_out, C, 3, 3]``.

    Nearest upsampling and a 3 x 3 convolution are one transposed convolution of stride 2 whose
    kernel is the sum of the four shifts of the flipped weights: 4 products per output instead of 9.
    ``transposed`` weights ``[C, C_out, 3, 3]`` are flipped already (ProGAN's fused layers).
    """
    if not transposed:
        weight = weight.flip(2, 3).transpose(0, 1)
    padded = F.pad(weight, (1, 1, 1, 1))
    shifts = [padded[..., i : i + 4, j : j + 4] for i in (0, 1) for j in (0, 1)]
    return torch.stack(shifts).sum(0).contiguous(memory_format=torch.channels_last)


def upsampled_conv(x: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
    """``[N, C, H, W]`` to ``[N, C_out, 2 H, 2 W]``."""
    return F.conv_transpose2d(x, kernel, bias, stride=2, padding=1)


def add_upsampled(x: Tensor, low: Tensor) -> Tensor:
    """Add ``low`` ``[N, C, H, W]``, upsampled, to ``x`` ``[N, C, 2 H, 2 W]`` in place."""
    n, c, height, width = low.shape
    x.view(n, c, height, 2, width, 2).add_(low[:, :, :, None, :, None])
    return x
