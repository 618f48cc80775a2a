"""The network of MobileStyleGAN, written for fast inference.

On a CPU most of its time would go to memory: maps of up to 64 MiB, each read and written a dozen
times. So features pass through the layers in strips of rows, a few layers deep at a time, and a
whole map exists only where somebody asks for it. How a map is cut depends on its layer alone, so a
sample is the same, bit for bit, however a pass through the network is stopped and resumed.

A strip is ``[N, h, W, C]``: channels last, where a depthwise convolution runs several times faster
and a pointwise one is a plain matrix product. Style scales commute with the depthwise convolution,
so for one sample they go into its weights.
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

    def _finish(self, x: Tensor, top: int) -> Tensor:
        """Noise and activation, in place, of a strip that has its bias and begins at a row."""
        return F.leaky_relu_(x.add_(self.noise[0, 0, top : top + x.shape[1], :, None]), 0.2)


class InputConv(_Activated):
    """The learned 4 x 4 constant and its modulated 3 x 3 convolution: features ``4.conv``."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, 4)
        self.constant = nn.Parameter(torch.empty(1, channels, 4, 4))
        self.style = Affine(channels)
        self.weight = nn.Parameter(torch.empty(channels, channels, 3, 3))

    @cached_property
    def _map(self) -> Tensor:
        """What each style does to the features, ``[4 * 4 * C_out, C]``: the rest is constant."""
        patches = F.unfold(self.constant.double(), 3, padding=1)[0].view(-1, 9, 16)
        products = torch.einsum("ocp,cpx->xoc", self.weight.flatten(2).double(), patches)
        return products.flatten(0, 1)

    def forward(self, w: Tensor) -> Tensor:
        """Return features ``[N, 4, 4, C]``; in float64, as `Affine` and for the same reason."""
        x = F.linear(self.style(w).double(), self._map).to(w.dtype)
        return self._finish(x.view(len(w), 4, 4, -1).add_(self.bias), 0)


class StyledConv(_Activated):
    """Modulated depthwise 3 x 3, then pointwise 1 x 1."""

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
    """Add to each strip its neighbors' nearest rows, and zeros beyond the map."""
    strips = iter(strips)
    strip = next(strips)
    above = torch.zeros_like(strip[:, :1])
    for following in chain(strips, [None]):
        below = torch.zeros_like(strip[:, :1]) if following is None else following[:, :1]
        yield torch.cat([above, strip, below], 1)
        if following is not None:
            above, strip = strip[:, -1:], following


class Upsample(nn.Module):
    """Scale channels by style, then an inverse Haar wavelet transform: C x H x W to C/4 x 2H x 2W.

    The first quarter of the channels is the low-pass band; the others hold, for each of its
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
    """Twice the inverse of an orthonormal 2-D Haar transform.

    From ``[N, H, W, 4 C]`` to ``[N, 2 H, 2 W, C]``.
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
            if x.requires_grad:  # which out= does not support
                place.copy_(combine(even, odd))
            else:
                combine(even, odd, out=place)
    return out.flatten(3, 4).flatten(1, 2)


class Block(nn.Module):
    """One doubling of the resolution."""

    def __init__(self, channels_in: int, channels: int, pixels: int) -> None:
        super().__init__()
        self.up = Upsample(channels_in)
        # Its slot of w is that of ``up``, whose styles come first.
        self.conv1 = StyledConv(channels_in // 4, channels, pixels, shift=channels_in)
        self.conv2 = StyledConv(channels, channels, pixels)


class ToImage(nn.Module):
    """Modulated 1 x 1 convolution to wavelet bands, then the image."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.style = Affine(channels)
        self.weight = nn.Parameter(torch.empty(12, channels))
        self.bias = nn.Parameter(torch.empty(12))

    def forward(self, strips: Strips, style: Tensor) -> Iterator[Tensor]:
        """Yield strips of the image, ``[N, 2 h, 2 W, 3]`` in about [-1, 1].

        The transform is linear: it goes into the weights, which then give four pixels at once.
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
    """Weights of 12 bands ``[12, C]`` to those of 2 x 2 pixels of 3 colors."""
    return double_haar(bands.T[:, None, None]).flatten(1).T


Step = Upsample | StyledConv | ToImage
"""What takes strips and its own style, and gives strips."""


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
