"""Differentiable augmentation (Zhao et al., arXiv 2006.10738): mirroring, color and translation.

Real and generated images pass through the same augmentations before the discriminators see them.
So the discriminators cannot memorize their few images, and the generator does not learn to produce
augmented ones.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

SHIFT = 1 / 8
"""The largest translation, as a share of the image's size; the uncovered border is black."""


class Augmentation:
    """The augmentations of one batch, drawn once so that several batches can share them.

    Args:
        count: The number N of images in a batch.
        device: Where the images are.
        random: Where the parameters are drawn from; by default torch's global generator.
    """

    def __init__(
        self, count: int, device: torch.device, random: torch.Generator | None = None
    ) -> None:
        parameters = torch.rand(6, count, 1, 1, 1, device=device, generator=random)
        self.colors, self.shifts, self.mirrored = (
            parameters[:3],
            parameters[3:5],
            parameters[5] < 0.5,
        )

    def __call__(self, x: Tensor) -> Tensor:
        """Return images ``[N, 3, R, R]`` in [-1, 1], each augmented in its own way."""
        x = torch.where(self.mirrored, x.flip(3), x)
        brightness, saturation, contrast = self.colors.to(x.dtype)
        x = x + (brightness - 0.5)
        x = torch.lerp(x.mean(1, keepdim=True), x, saturation * 2)
        x = torch.lerp(x.mean((1, 2, 3), keepdim=True), x, contrast + 0.5)
        return self._translate(x)

    def _translate(self, x: Tensor) -> Tensor:
        size, margin = x.shape[-1], round(x.shape[-1] * SHIFT)
        padded = F.pad(x, (margin,) * 4)
        down, across = (self.shifts * (2 * margin + 1)).long()  # [N, 1, 1, 1]
        positions = torch.arange(size, device=x.device)
        rows = (positions[:, None] + down).expand(-1, x.shape[1], -1, padded.shape[3])
        columns = (positions + across).expand(-1, x.shape[1], size, -1)
        return padded.gather(2, rows).gather(3, columns)
