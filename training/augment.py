"""Differentiable augmentation (Zhao et al., arXiv 2006.10738): colors, shifts, cut-out squares.

The discriminator sees real and generated images through the same changes, so it cannot learn its
few images by heart, and the generator does not learn the changes.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def augment(x: Tensor) -> Tensor:
    """Images ``[N, 3, R, R]`` in [-1, 1], each changed at random; differentiable."""
    return _cut(_shift(_colors(x)))


def _colors(x: Tensor) -> Tensor:
    brightness, saturation, contrast = torch.rand(
        3, len(x), 1, 1, 1, device=x.device, dtype=x.dtype
    )
    x = x + (brightness - 0.5)
    gray = x.mean(1, keepdim=True)
    x = torch.lerp(gray, x, saturation * 2)
    return torch.lerp(x.mean((1, 2, 3), keepdim=True), x, contrast + 0.5)


def _shift(x: Tensor, share: float = 0.125) -> Tensor:
    """Move by up to an eighth of the image; what comes in is black."""
    size, reach = x.shape[-1], round(x.shape[-1] * share)
    padded = F.pad(x, (reach,) * 4)
    moves = torch.randint(0, 2 * reach + 1, (2, len(x), 1), device=x.device)
    rows, columns = torch.arange(size, device=x.device) + moves
    images = torch.arange(len(x), device=x.device)
    picked = padded.permute(0, 2, 3, 1)[images[:, None, None], rows[:, :, None], columns[:, None]]
    return picked.permute(0, 3, 1, 2)


def _cut(x: Tensor, share: float = 0.5) -> Tensor:
    """Blacken a square of half the image's side, around a random place."""
    size, half = x.shape[-1], round(x.shape[-1] * share) // 2
    places = torch.randint(0, size + 1, (2, len(x), 1), device=x.device)
    down, across = (torch.arange(size, device=x.device) - places).abs() < half
    return x * ~(down[:, None, :, None] & across[:, None, None, :])
