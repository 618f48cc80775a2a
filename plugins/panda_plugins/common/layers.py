"""Layers and the mapping network that the StyleGANs share."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SLOPE = 0.2
"""Negative slope of every leaky ReLU."""

GAIN = math.sqrt(2)
"""Gain of every leaky ReLU: it keeps the variance of the output near that of the input."""


class Linear(nn.Module):
    """Map ``[N, D]`` to ``[N, C]`` linearly, with equalized learning rate.

    Weight and bias are stored at the scale of training and multiplied at run time (Karras et al.,
    arXiv 1710.10196, section 4.1).
    """

    def __init__(
        self, features: int, channels: int, gain: float = 1.0, lr_multiplier: float = 1.0
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, features))
        self.bias = nn.Parameter(torch.empty(channels))
        self.gain = gain * lr_multiplier / math.sqrt(features)
        self.bias_gain = lr_multiplier

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x W^T + b``, with weight and bias at their run-time scale."""
        return F.linear(x * self.gain, self.weight, self.bias * self.bias_gain)


class Affine(Linear):
    """Map w ``[N, D]`` to styles ``[N, C]``; a shift of the styles may follow each row of w."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the styles of w ``[N, D]``, or of w and shifts ``[N, D + C or more]``."""
        size = self.weight.shape[1]
        if x.shape[1] == size:
            return super().forward(x)
        return super().forward(x[:, :size]) + x[:, size : size + len(self.bias)]


class Mapping(nn.Module):
    """Map z ``[N, z_dim]`` and one-hot labels ``[N, classes]`` to w ``[N, w_dim]``, untruncated.

    The mapping network of StyleGAN2 and StyleGAN3 (``MappingNetwork`` in ``training/networks.py``
    of NVlabs/stylegan2-ada-pytorch and ``training/networks_stylegan3.py`` of NVlabs/stylegan3).
    With ``joint_norm``, as in the TensorFlow release, z and the label's vector are normalized
    together; otherwise each is normalized before they are joined.
    """

    w_avg: Tensor

    def __init__(
        self,
        z_dim: int,
        w_dim: int,
        *,
        layers: int,
        classes: int,
        lr_multiplier: float,
        joint_norm: bool = False,
    ) -> None:
        super().__init__()
        features, self.joint_norm = z_dim, joint_norm
        if classes and joint_norm:
            self.label_weight = nn.Parameter(torch.empty(classes, z_dim))
            features += z_dim
        elif classes:
            self.embed = Linear(classes, w_dim)
            features += w_dim
        self.layers: list[Linear] = []
        for i in range(layers):
            size = w_dim if i else features
            self.layers.append(Linear(size, w_dim, lr_multiplier=lr_multiplier))
            self.add_module(f"fc{i}", self.layers[-1])
        self.register_buffer("w_avg", torch.empty(w_dim))

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """Return w; ``label`` is required where there are classes."""
        if label is None:
            x = normalize(z)
        elif self.joint_norm:
            x = normalize(torch.cat([z, label @ self.label_weight], 1))
        else:
            x = torch.cat([normalize(z), normalize(self.embed(label))], 1)
        for layer in self.layers:
            x = F.leaky_relu(layer(x), SLOPE) * GAIN
        return x


def scaled(affine: Linear) -> tuple[Tensor, Tensor]:
    """Return weight and bias of a linear layer at their run-time scale."""
    return affine.weight * affine.gain, affine.bias * affine.bias_gain


def normalize(x: Tensor) -> Tensor:
    """Scale each row of ``[N, D]`` to a mean square of one."""
    return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-8)
