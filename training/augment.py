"""Differentiable augmentation (Zhao et al., arXiv 2006.10738): mirrored, other colors, shifted.

The discriminators see real and generated images through the same changes, so they cannot learn
their few images by heart, and the generator does not learn the changes.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

SHIFT = 1 / 8
"""Images move by up to this share of their size; what comes in is black."""


class Augmentation:
    """The changes of one batch, drawn once: several batches of images can go through the same."""

    def __init__(
        self, count: int, device: torch.device, random: torch.Generator | None = None
    ) -> None:
        drawn = torch.rand(6, count, 1, 1, 1, device=device, generator=random)
        self.colors, self.moves, self.mirrored = drawn[:3], drawn[3:5], drawn[5] < 0.5

    def __call__(self, x: Tensor) -> Tensor:
        """Images ``[N, 3, R, R]`` in [-1, 1], each changed in its own way; differentiable."""
        x = torch.where(self.mirrored, x.flip(3), x)
        brightness, saturation, contrast = self.colors.to(x.dtype)
        x = x + (brightness - 0.5)
        x = torch.lerp(x.mean(1, keepdim=True), x, saturation * 2)
        x = torch.lerp(x.mean((1, 2, 3), keepdim=True), x, contrast + 0.5)
        return self._shift(x)

    def _shift(self, x: Tensor) -> Tensor:
        size, reach = x.shape[-1], round(x.shape[-1] * SHIFT)
        padded = F.pad(x, (reach,) * 4)
        down, across = (self.moves * (2 * reach + 1)).long()  # [N, 1, 1, 1]
        places = torch.arange(size, device=x.device)
        rows = (places[:, None] + down).expand(-1, x.shape[1], -1, padded.shape[3])
        columns = (places + across).expand(-1, x.shape[1], size, -1)
        return padded.gather(2, rows).gather(3, columns)
