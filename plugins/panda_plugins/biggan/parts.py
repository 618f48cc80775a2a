"""Modules that both BigGANs share: spectral norm, modulation, self-attention and the network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from panda.generators.contract import Layer

from ..common.upsampling import transposed_kernel, upsampled_conv
from ..common.winograd import conv3x3, transform


class Spectral(nn.Module, ABC):
    """A linear map or a convolution whose weight is divided by its largest singular value.

    Files contain the weight before the division; `prepare` replaces it. With ``up`` the input is
    first upsampled by two (nearest).
    """

    weight: nn.Parameter

    def __init__(self, channels: int, *, bias: bool, up: bool = False) -> None:
        super().__init__()
        self.up = up
        self.bias = nn.Parameter(torch.empty(channels)) if bias else None

    @abstractmethod
    def divided(self) -> Tensor:
        """Return the weight after the division, and delete what only the division needs."""

    def prepare(self) -> None:
        """Compute the weight that runs; call once, after loading."""
        weight = self.divided()
        is_plain = weight.shape[2:] == (3, 3) and not self.up
        self.winograd = transform(weight) if is_plain else None
        if self.up:
            weight = transposed_kernel(weight)
        elif weight.dim() == 4:
            weight = weight.contiguous(memory_format=torch.channels_last)
        self.weight = nn.Parameter(weight, requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[N, D]`` to ``[N, C]``, or convolve (upsampled) ``[N, C_in, H, W]``, same size."""
        if self.weight.dim() == 2:
            return F.linear(x, self.weight, self.bias)
        if self.up:
            return upsampled_conv(x, self.weight, self.bias)
        if self.winograd is not None:
            x = conv3x3(x, self.winograd)
            return x if self.bias is None else x.add_(self.bias[:, None, None])
        return F.conv2d(x, self.weight, self.bias, padding=self.weight.shape[2] // 2)


class Table(nn.Module):
    """The vectors of classes, under the name that files use."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(shape))


class Network(nn.Module, ABC):
    """A chain of stages, blocks and self-attention: a condition to images ``[N, 3, R, R]``."""

    layers: list[Layer]
    """``input``, then the output of every stage."""

    z_dim: int
    classes: int

    @property
    def depth(self) -> int:
        """Number of stages."""
        return len(self.layers) - 1

    def prepare(self) -> None:
        """Compute the weights that run; call once weights, dtype and device are final."""
        for module in self.modules():
            if isinstance(module, Spectral):
                module.prepare()

    @abstractmethod
    def input(self, condition: Any) -> Tensor:
        """Return the features before the first stage, ``[N, C, 4, 4]``."""

    @abstractmethod
    def step(self, x: Tensor, condition: Any, index: int) -> Tensor:
        """Run one stage; ``x`` is left as it is."""

    @abstractmethod
    def to_image(self, x: Tensor, condition: Any) -> Tensor:
        """Return images ``[N, 3, R, R]`` in [-1, 1] from the last stage's features."""

    def run(self, x: Tensor, condition: Any, start: int, stop: int) -> Tensor:
        """Run stages ``start`` to ``stop - 1``; ``x`` is left as it is."""
        for index in range(start, stop):
            x = self.step(x, condition, index)
        return x

    def forward(self, condition: Any) -> Tensor:
        """Return images ``[N, 3, R, R]`` in [-1, 1]."""
        x = self.run(self.input(condition), condition, 0, self.depth)
        return self.to_image(x, condition)


def modulated_relu(x: Tensor, scale: Tensor, shift: Tensor, *, reuse: bool = True) -> Tensor:
    """Return ``relu(x * scale + shift)``.

    Writing in place spares a CPU the allocation of memory, which costs more than the arithmetic.

    Args:
        x: ``[N, C, H, W]``.
        scale: ``[N or 1, C]``.
        shift: ``[N or 1, C]``.
        reuse: Whether ``x`` may be overwritten.
    """
    scale, shift = scale[:, :, None, None], shift[:, :, None, None]
    if reuse and not scale.requires_grad:
        return x.mul_(scale).add_(shift).relu_()
    return torch.addcmul(shift, x, scale).relu_()


def attend(theta: Tensor, phi: Tensor, g: Tensor) -> Tensor:
    """Return the self-attention of queries over 2 x 2-pooled keys and values.

    Args:
        theta: Queries, ``[N, C/8, H, W]``.
        phi: Keys, ``[N, C/8, H, W]``.
        g: Values, ``[N, C/2, H, W]``.

    Returns:
        ``[N, C/2, H, W]``.
    """
    query = theta.flatten(2).transpose(1, 2)
    key, value = (F.max_pool2d(y, 2).flatten(2).transpose(1, 2) for y in (phi, g))
    out = F.scaled_dot_product_attention(query, key, value, scale=1.0)
    n, _, height, width = theta.shape
    return out.view(n, height, width, -1).permute(0, 3, 1, 2)
