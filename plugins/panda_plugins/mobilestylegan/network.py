"""The networks of MobileStyleGAN (Belousov, arXiv 2104.04767), for fast inference.

The official code is ``core/models/mobile_synthesis_network.py`` of bes-dev/MobileStyleGAN.pytorch.
On a CPU, memory traffic would take most of the time: maps of up to 64 MiB, each read and written a
dozen times. So features pass through a few layers at a time in strips of rows, and a whole map
exists only where a caller needs it. How a map is split depends on its layer alone, so a sample is
the same, bit for bit, wherever a pass through the network is stopped and resumed.

A strip is ``[N, h, W, C]``: channels last, where a depthwise convolution runs several times faster
and a pointwise convolution is a matrix product. Style scales commute with the depthwise
convolution, so for a single sample they are multiplied into its weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain, pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .products import pointwise

Strips = Iterable[Tensor]
"""The features of a layer from top to bottom, in strips ``[N, h, W, C]``."""


class Affine(nn.Module):
    """Map w ``[N, 512]`` to style scales ``w W^T + b`` ``[N, C]``.

    Computed in float64: libraries sum the products of one row and of many rows in different orders,
    and the network amplifies the difference a hundred times. So a sample is the same in a batch of
    any size.
    """

    def __init__(self, channels: int, latent: int = 512, shift: int = 0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, latent))
        self.bias = nn.Parameter(torch.empty(channels))
        self.place = slice(latent + shift, latent + shift + channels)

    def forward(self, w: Tensor) -> Tensor:
        """Return the style scales; shifts of a slot's styles may follow each row of ``w``."""
        latent = self.weight.shape[1]
        rows = w[:, :latent].double()
        scales = F.linear(rows, self.weight.double(), self.bias.double()).to(w.dtype)
        return scales if w.shape[1] == latent else scales + w[:, self.place]


class Mapping(nn.Module):
    """Map z ``[N, 512]`` to w ``[N, 512]``: pixel norm, then linear layers with leaky ReLU."""

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
    """The end of every convolution: a fixed noise map, a bias, and leaky ReLU without gain."""

    def __init__(self, channels: int, pixels: int) -> None:
        super().__init__()
        self.noise = nn.Parameter(torch.empty(1, 1, pixels, pixels))
        self.bias = nn.Parameter(torch.empty(channels))

    def _finish(self, x: Tensor, top: int) -> Tensor:
        """Add noise to a strip that starts at row ``top``, and apply leaky ReLU, both in place."""
        return F.leaky_relu_(x.add_(self.noise[0, 0, top : top + x.shape[1], :, None]), 0.2)


class InputConv(_Activated):
    """Convolve the learned 4 x 4 constant, modulated: w ``[N, 512]`` to ``[N, 4, 4, C]``."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, 4)
        self.constant = nn.Parameter(torch.empty(1, channels, 4, 4))
        self.style = Affine(channels)
        self.weight = nn.Parameter(torch.empty(channels, channels, 3, 3))

    @cached_property
    def _map(self) -> Tensor:
        """The linear map from styles to features, ``[4 * 4 * C_out, C]``: the input is constant."""
        patches = F.unfold(self.constant.double(), 3, padding=1)[0].view(-1, 9, 16)
        products = torch.einsum("ocp,cpx->xoc", self.weight.flatten(2).double(), patches)
        return products.flatten(0, 1)

    def forward(self, w: Tensor) -> Tensor:
        """Return features ``4.conv``, computed in float64 for the same reason as in `Affine`."""
        x = F.linear(self.style(w).double(), self._map).to(w.dtype)
        return self._finish(x.view(len(w), 4, 4, -1).add_(self.bias), 0)


class StyledConv(_Activated):
    """Convolve ``[N, H, W, C_in]`` to ``[N, H, W, C]``: depthwise 3 x 3, modulated, then 1 x 1."""

    def __init__(self, channels_in: int, channels: int, pixels: int, shift: int = 0) -> None:
        super().__init__(channels, pixels)
        self.style = Affine(channels_in, shift=shift)
        self.depthwise = nn.Parameter(torch.empty(channels_in, 1, 3, 3))
        self.pointwise = nn.Parameter(torch.empty(channels, channels_in))

    def forward(self, strips: Strips, style: Tensor) -> Iterator[Tensor]:
        """Yield the strips of the new features; ``style`` is ``[N, C_in]``."""
        depthwise: Tensor = self.depthwise
        top = 0
        if len(style) == 1:
            depthwise = depthwise * style.view(-1, 1, 1, 1)
        for x in _bordered(strips):
            if len(style) > 1:
                x = x * style[:, None, None, :]
            x = F.conv2d(x.permute(0, 3, 1, 2), depthwise, padding=(0, 1), groups=x.shape[3])
            yield self._finish(pointwise(x.permute(0, 2, 3, 1), self.pointwise, self.bias), top)
            top += x.shape[2]


def _bordered(strips: Strips) -> Iterator[Tensor]:
    """Extend each strip by its neighbors' adjacent rows, with zeros outside the map."""
    strips = iter(strips)
    strip = next(strips)
    above = torch.zeros_like(strip[:, :1])
    for following in chain(strips, [None]):
        below = torch.zeros_like(strip[:, :1]) if following is None else following[:, :1]
        yield torch.cat([above, strip, below], 1)
        if following is not None:
            above, strip = strip[:, -1:], following


class Upsample(nn.Module):
    """Scale channels and invert a Haar transform: ``[N, H, W, C]`` to ``[N, 2 H, 2 W, C/4]``.

    The first quarter of the channels is the low-pass band; the others are, for each of its
    channels, the bands that vary down, across and along the diagonal.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.style = Affine(channels)

    def forward(self, strips: Strips, style: Tensor) -> Iterator[Tensor]:
        """Yield strips of twice the size and a quarter of the channels."""
        style = style[:, None, None, :] / 2
        for x in strips:
            yield double_haar(x * style)


def double_haar(x: Tensor) -> Tensor:
    """Return twice the inverse of an orthonormal 2-D Haar transform.

    Args:
        x: Bands ``[N, H, W, 4 C]``; see `Upsample` for their order.

    Returns:
        ``[N, 2 H, 2 W, C]``.
    """
    n, height, width, channels = x.shape
    low = x[..., : channels // 4]
    down, across, diagonal = (x[..., channels // 4 + band :: 3] for band in range(3))
    out = x.new_empty(n, height, 2, width, 2, channels // 4)
    for row, sign in enumerate((1, -1)):
        even = torch.add(low, down, alpha=sign)
        odd = torch.add(across, diagonal, alpha=sign)
        for column, combine in enumerate((torch.add, torch.sub)):
            place = out[:, :, row, :, column]
            if x.requires_grad:  # autograd does not support out=
                place.copy_(combine(even, odd))
            else:
                combine(even, odd, out=place)
    return out.flatten(3, 4).flatten(1, 2)


class Block(nn.Module):
    """The layers of a resolution: ``[N, H, W, C_in]`` to ``[N, 2 H, 2 W, C]``."""

    def __init__(self, channels_in: int, channels: int, pixels: int) -> None:
        super().__init__()
        self.up = Upsample(channels_in)
        # It shares a slot of w+ with ``up``, whose styles come first.
        self.conv1 = StyledConv(channels_in // 4, channels, pixels, shift=channels_in)
        self.conv2 = StyledConv(channels, channels, pixels)


class ToImage(nn.Module):
    """Convolve 1 x 1, modulated, to wavelet bands, and invert: to images ``[N, 2 H, 2 W, 3]``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.style = Affine(channels)
        self.weight = nn.Parameter(torch.empty(12, channels))
        self.bias = nn.Parameter(torch.empty(12))

    def forward(self, strips: Strips, style: Tensor) -> Iterator[Tensor]:
        """Yield strips of the image, ``[N, 2 h, 2 W, 3]``, about in [-1, 1].

        The transform is linear, so it is applied to the weights, which then make 2 x 2 pixels.
        """
        weight, bias = _pixels(self.weight) / 2, _pixels(self.bias[:, None])[:, 0] / 2
        if len(style) == 1:
            weight = weight * style
        for x in strips:
            if len(style) > 1:
                x = x * style[:, None, None, :]
            pixels = pointwise(x, weight, bias).view(*x.shape[:3], 2, 2, 3)
            yield pixels.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def _pixels(bands: Tensor) -> Tensor:
    """Convert weights of 12 bands ``[12, C]`` to weights of 2 x 2 pixels of 3 colors."""
    return double_haar(bands.T[:, None, None]).flatten(1).T


Step = Upsample | StyledConv | ToImage
"""A module that maps strips and its style scales to strips."""


class Network(nn.Module):
    """The mapping network and the layers of synthesis, with channels at 4, 8, 16, ... pixels."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.mapping = Mapping()
        self.w_mean = nn.Parameter(torch.empty(512))
        self.input = InputConv(channels[0])
        self.blocks = nn.ModuleList(
            Block(before, after, 8 << k) for k, (before, after) in enumerate(pairwise(channels))
        )
        self.to_image = ToImage(channels[-1])
