"""How far a generated face is from the one that its code stands for."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .discriminator import Features

PIXELS = 2.0
"""Weight of differences in pixels beside those of features, which are in standard deviations."""


class Resemblance(nn.Module):
    """Differences in pixels, in coarse colors and in the backbone's features.

    Those of features are in the standard deviations of its maps over some faces ``[N, 3, R, R]`` in
    [-1, 1].
    """

    def __init__(self, features: Features, faces: Tensor) -> None:
        super().__init__()
        with torch.no_grad():
            _, *maps = features.look(faces)
        for k, found in enumerate(maps):
            scale = 1 / found.std((0, 2, 3), keepdim=True).clamp_min(1e-3)
            self.register_buffer(f"scale{k}", scale)

    def forward(self, made: list[Tensor], wanted: list[Tensor]) -> Tensor:
        """The mean absolute difference of what `Features.look` saw in two batches of images."""
        off = made[0] - wanted[0]
        total = PIXELS * (off.abs().mean() + F.avg_pool2d(off, 4).abs().mean())
        for k, (a, b) in enumerate(zip(made[1:], wanted[1:], strict=True)):
            total = total + ((a - b) * self.get_buffer(f"scale{k}")).abs().mean()
        return total
