"""Layers that StyleGAN and StyleGAN2 share."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SLOPE = 0.2
"""Of every leaky ReLU."""

GAIN = math.sqrt(2)
"""What keeps the variance of a leaky ReLU's output near that of its input."""


class Linear(nn.Module):
    """A linear layer with equalized learning rate: ``[N, D]`` to ``[N, C]``."""

    def __init__(
        self, features: int, channels: int, gain: float = 1.0, lr_multiplier: float = 1.0
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, features))
        self.bias = nn.Parameter(torch.empty(channels))
        self.gain = gain * lr_multiplier / math.sqrt(features)
        self.bias_gain = lr_multiplier

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x W^T + b``, both at their run-time scale."""
        return F.linear(x * self.gain, self.weight, self.bias * self.bias_gain)


class Affine(Linear):
    """w ``[N, D]`` to styles ``[N, C]``; behind each w may stand what is added to its styles."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the styles of ``[N, D]`` or ``[N, D + at least C]``."""
        size = self.weight.shape[1]
        if x.shape[1] == size:
            return super().forward(x)
        return super().forward(x[:, :size]) + x[:, size : size + len(self.bias)]


def scaled(affine: Linear) -> tuple[Tensor, Tensor]:
    """Weight and bias of a linear layer at their run-time scale."""
    return affine.weight * affine.gain, affine.bias * affine.bias_gain


def normalize(x: Tensor) -> Tensor:
    """Scale each row of ``[N, D]`` to a mean square of one."""
    return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-8)
