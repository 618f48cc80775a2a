"""The network of MobileStyleGAN, written for fast inference.

Per-channel style scales commute with the depthwise convolution, so they are folded into the
pointwise weights of each sample: one matrix product per sample instead of a pass over the features.
Features are `[N, C, H, W]` in channels-last memory, where a depthwise convolution runs several
times faster on a CPU and a pointwise one is a plain matrix product.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Affine(nn.Module):
    """``w W^T + b``: ``[N, 512]`` to the style scales ``[N, C]``.

    In float64: libraries multiply one row and many rows in different orders, and the network makes
    a hundred times more of the difference. So a sample is the same in a batch of any size.
    """

    def __init__(self, channels: int, latent: int = 512, shift: int = 0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, latent))
        self.bias = nn.Parameter(torch.empty(channels))
        self.place = slice(latent + shift, latent + shift + channels)

    def forward(self, w: Tensor) -> Tensor:
        """Return the style scales; ``w`` may be followed by what is added to a slot's styles."""
        latent = self.weight.shape[1]
        rows = w[:, :latent].double()
        scales = F.linear(rows, self.weight.double(), self.bias.double()).to(w.dtype)
        return scales if w.shape[1] == latent else scales + w[:, self.place]


class Mapping(nn.Module):
    """z ``[N, 512]`` to w ``[N, 512]``: pixel norm, then linear layers with leaky ReLU."""

    def __init__(self, depth: int = 8, latent: int = 512) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Affine(latent, latent) for _ in range(depth))

    def forward(self, z: Tensor) -> Tensor:
        """Return w, untruncated."""
        x = z.double()
        x = x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-8)
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2) * math.sqrt(2)
        return x.to(z.dtype)


class _Activated(nn.Module):
    """The end of every convolution: a fixed noise map, a bias, leaky ReLU without gain."""

    def __init__(self, channels: int, pixels: int) -> None:
        super().__init__()
        self.noise = nn.Parameter(torch.empty(1, 1, pixels, pixels))
        self.bias = nn.Parameter(torch.empty(channels))

    def _finish(self, x: Tensor) -> Tensor:
        return F.leaky_relu_(x.add_(self.noise).add_(self.bias[:, None, None]), 0.2)


class InputConv(_Activated):
    """The learned 4 x 4 constant and its modulated 3 x 3 convolution: features ``4.conv``."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, 4)
        self.constant = nn.Parameter(torch.empty(1, channels, 4, 4))
        self.style = Affine(channels)
        self.weight = nn.Parameter(torch.empty(channels, channels, 3, 3))

    def forward(self, w: Tensor) -> Tensor:
        """Return features ``[N, C, 4, 4]``."""
        x = self.constant * self.style(w)[:, :, None, None]
        # A product for each sample, where conv2d would choose its algorithm by the batch size.
        patches = F.unfold(x, 3, padding=1)
        x = torch.bmm(self.weight.flatten(1).expand(len(x), -1, -1), patches).view_as(x)
        return self._finish(x.contiguous(memory_format=torch.channels_last))


class StyledConv(_Activated):
    """Modulated depthwise 3 x 3, then pointwise 1 x 1."""

    def __init__(self, channels_in: int, channels: int, pixels: int, shift: int = 0) -> None:
        super().__init__(channels, pixels)
        self.style = Affine(channels_in, shift=shift)
        self.depthwise = nn.Parameter(torch.empty(channels_in, 1, 3, 3))
        self.pointwise = nn.Parameter(torch.empty(channels, channels_in))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Return features ``[N, C, H, W]``; ``x`` is left as it is."""
        x = x.contiguous(memory_format=torch.channels_last)
        x = F.conv2d(x, self.depthwise, padding=1, groups=x.shape[1])
        return self._finish(pointwise(x, self.pointwise * self.style(w)[:, None, :]))


def pointwise(x: Tensor, weight: Tensor) -> Tensor:
    """1 x 1 convolution with weights of each sample's own: ``weight`` is ``[N, C_out, C]``."""
    rows = x.permute(0, 2, 3, 1).flatten(1, 2)  # a view: [N, H W, C]
    product = torch.bmm(rows, weight.transpose(1, 2))
    return product.view(len(x), *x.shape[2:], -1).permute(0, 3, 1, 2)


class Upsample(nn.Module):
    """Scale channels by style, then an inverse Haar wavelet transform: C x H x W to C/4 x 2H x 2W.

    The first quarter of the channels is the low-pass band; the others hold, for each of its
    channels, the bands that vary down, across and along the diagonal.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.style = Affine(channels)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Return features ``[N, C / 4, 2 H, 2 W]``; ``x`` is left as it is."""
        return inverse_haar(x * self.style(w)[:, :, None, None])


def inverse_haar(x: Tensor) -> Tensor:
    """Inverse orthonormal 2-D Haar transform: ``[N, 4 C, H, W]`` to ``[N, C, 2 H, 2 W]``."""
    n, channels, height, width = x.shape
    low = x[:, : channels // 4]
    down, across, diagonal = (x[:, channels // 4 + band :: 3] for band in range(3))
    out = x.new_empty(n, height, 2, width, 2, channels // 4).permute(0, 5, 1, 2, 3, 4)
    for row, sign in enumerate((1, -1)):
        even = torch.add(low, down, alpha=sign)
        odd = torch.add(across, diagonal, alpha=sign)
        for column, combine in enumerate((torch.add, torch.sub)):
            place = out[:, :, :, row, :, column]
            if x.requires_grad:  # which out= does not support
                place.copy_(combine(even, odd))
            else:
                combine(even, odd, out=place)
    return out.mul_(0.5).flatten(4, 5).flatten(2, 3)


class Block(nn.Module):
    """One doubling of the resolution."""

    def __init__(self, channels_in: int, channels: int, pixels: int) -> None:
        super().__init__()
        self.up = Upsample(channels_in)
        # Its slot of w is that of ``up``, whose styles come first.
        self.conv1 = StyledConv(channels_in // 4, channels, pixels, shift=channels_in)
        self.conv2 = StyledConv(channels, channels, pixels)


class ToImage(nn.Module):
    """Modulated 1 x 1 convolution to wavelet bands, then the image ``[N, 3, 2 H, 2 W]``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.style = Affine(channels)
        self.weight = nn.Parameter(torch.empty(12, channels))
        self.bias = nn.Parameter(torch.empty(12))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Return images in about [-1, 1]."""
        x = x.contiguous(memory_format=torch.channels_last)
        bands = pointwise(x, self.weight * self.style(w)[:, None, :])
        return inverse_haar(bands + self.bias[:, None, None])


class Network(nn.Module):
    """Mapping and the parts of synthesis; ``channels`` are those at 4, 8, 16 ... pixels."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.mapping = Mapping()
        self.w_mean = nn.Parameter(torch.empty(512))
        self.input = InputConv(channels[0])
        self.blocks = nn.ModuleList(
            Block(before, after, 8 << k) for k, (before, after) in enumerate(pairwise(channels))
        )
        self.to_image = ToImage(channels[-1])
