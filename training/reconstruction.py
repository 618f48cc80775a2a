"""How far a generated face is from the face whose code it was generated from."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .discriminator import ProjectedFeatures

PIXEL_WEIGHT = 2.0
"""Weight of differences of pixels, relative to those of normalized features."""


class ReconstructionLoss(nn.Module):
    """Mean absolute differences of pixels, of pooled pixels, and of the backbone's features.

    Differences of features are in units of their standard deviations over some faces.

    Args:
        features: The frozen features.
        faces: Images ``[N, 3, R, R]`` in [-1, 1] from which the standard deviations are computed.
    """

    def __init__(self, features: ProjectedFeatures, faces: Tensor) -> None:
        super().__init__()
        with torch.no_grad():
            _, *maps = features.extract(faces)
        for k, x in enumerate(maps):
            scale = 1 / x.std((0, 2, 3), keepdim=True).clamp_min(1e-3)
            self.register_buffer(f"scale{k}", scale)

    def forward(self, generated: list[Tensor], target: list[Tensor]) -> Tensor:
        """Return the loss between two results of `ProjectedFeatures.extract`."""
        difference = generated[0] - target[0]
        pooled = F.avg_pool2d(difference, 4)
        total = PIXEL_WEIGHT * (difference.abs().mean() + pooled.abs().mean())
        for k, (a, b) in enumerate(zip(generated[1:], target[1:], strict=True)):
            total = total + ((a - b) * self.get_buffer(f"scale{k}")).abs().mean()
        return total
