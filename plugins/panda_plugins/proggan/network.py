"""The generator of ProGAN (Karras et al., arXiv 1710.10196, appendix A.1), for fast inference.

The official code is ``networks.py`` of tkarras/progressive_growing_of_gans; names and shapes of
parameters are those of genforce/genforce. Each layer normalizes its input, so features
``[N, C, H, W]`` come after the leaky ReLU and before the pixel norm. The run-time scale of the
weights ("equalized learning rate") is part of the pixel norm, where it costs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..common.upsampling import transposed_kernel, upsampled_conv
from ..common.winograd import conv3x3, transform


class Conv(nn.Module):
    """Normalize pixels and convolve: ``[N, C_in, H, W]`` to ``[N, C, H, W]``, no activation."""

    def __init__(
        self, channels_in: int, channels: int, size: int = 3, gain: float = math.sqrt(2)
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, channels_in, size, size))
        self.bias = nn.Parameter(torch.empty(channels))
        self.scale = gain / math.sqrt(size * size * channels_in)

    def prepare(self) -> None:
        """Compute what depends on the weights alone; call once they are final."""
        self.winograd = transform(self.weight) if self.weight.shape[2] == 3 else None

    def forward(self, x: Tensor) -> Tensor:
        """Return the output before the activation."""
        x = pixel_norm(x, self.scale)
        if self.winograd is not None:
            return conv3x3(x, self.winograd).add_(self.bias[:, None, None])
        return F.conv2d(x, self.weight, self.bias, padding=self.weight.shape[2] // 2)


class InputConv(Conv):
    """Convolve a pixel, padded by 3, with a 4 x 4 kernel: ``[N, z, 1, 1]`` to ``[N, C, 4, 4]``."""

    def __init__(self, latent: int, channels: int) -> None:
        super().__init__(latent, channels, size=4)

    def prepare(self) -> None:
        """See `Conv.prepare`."""
        self.kernel = self.weight.flip(2, 3).transpose(0, 1)

    def forward(self, x: Tensor) -> Tensor:
        """See `Conv.forward`."""
        return F.conv_transpose2d(pixel_norm(x, self.scale), self.kernel, self.bias)


class UpConv(Conv):
    """Upsample (nearest) and convolve 3 x 3: ``[N, C_in, H, W]`` to ``[N, C, 2 H, 2 W]``.

    ``fused`` weights are those of a transposed convolution, ``[C_in, C, 3, 3]``.
    """

    def __init__(self, channels_in: int, channels: int, fused: bool) -> None:
        super().__init__(channels_in, channels)
        self.fused = fused
        if fused:
            self.weight = nn.Parameter(torch.empty(channels_in, channels, 3, 3))

    def prepare(self) -> None:
        """See `Conv.prepare`."""
        self.kernel = transposed_kernel(self.weight, transposed=self.fused)

    def forward(self, x: Tensor) -> Tensor:
        """See `Conv.forward`."""
        return upsampled_conv(pixel_norm(x, self.scale), self.kernel, self.bias)


def pixel_norm(x: Tensor, scale: float) -> Tensor:
    """Scale the channels of each pixel of ``[N, C, ...]`` to the root mean square ``scale``."""
    norm = torch.linalg.vector_norm(x, dim=1, keepdim=True)
    return x * (torch.rsqrt(norm.square() / x.shape[1] + 1e-8) * scale)


class Network(nn.Module):
    """Map z ``[N, z]`` and one-hot labels ``[N, classes]`` to images ``[N, 1 to 4, R, R]``.

    ``layer{2 b}`` and ``layer{2 b + 1}`` make features of 4 * 2^b pixels, ``output{b}`` makes
    ``image_channels`` of them. ``channels`` are those at 4, 8, 16, ... pixels. ``lod`` is 0 in a
    finished network; k + t means that k resolutions are not grown yet, and that the image of the
    last grown one has weight 1 - t. z is normalized before the label joins it, or with it alone
    (``joint_norm``: the official code, unlike genforce's). ``tanh`` ends the network with that
    function.
    """

    lod: Tensor

    def __init__(
        self,
        latent: int,
        channels: Sequence[int],
        fused: bool = False,
        *,
        classes: int = 0,
        joint_norm: bool = False,
        tanh: bool = False,
        image_channels: int = 3,
    ) -> None:
        super().__init__()
        self.latent, self.channels, self.classes = latent, tuple(channels), classes
        self.joint_norm, self.tanh, self.image_channels = joint_norm, tanh, image_channels
        self.register_buffer("lod", torch.zeros(()))
        self.add_module("layer0", InputConv(latent + classes, channels[0]))
        for b, (before, after) in enumerate(pairwise(channels), start=1):
            self.add_module(f"layer{2 * b}", UpConv(before, after, fused))
        for b, width in enumerate(channels):
            self.add_module(f"layer{2 * b + 1}", Conv(width, width))
            self.add_module(f"output{b}", Conv(width, image_channels, size=1, gain=1.0))

    def prepare(self) -> None:
        """Compute kernels and growth; call once the weights are final."""
        for module in self.modules():
            if isinstance(module, Conv):
                module.prepare()
        lod = float(self.lod)
        self.last_block = len(self.channels) - 1 - math.floor(lod)
        self.fade = math.ceil(lod) - lod  # weight of the last block's image; 0 without blending

    @property
    def depth(self) -> int:
        """Number of layers that have been grown."""
        return 2 * (self.last_block + 1)

    def run(self, x: Tensor, image: Tensor | None, start: int, stop: int) -> State:
        """Run layers ``start`` to ``stop - 1``; compute the running image only to blend it."""
        for k in range(start, stop):
            if self.fade and k == 2 * self.last_block:
                image = self.get_submodule(f"output{self.last_block - 1}")(x)
            x = F.leaky_relu_(self.get_submodule(f"layer{k}")(x), 0.2)
        return x, image

    def to_image(self, x: Tensor, image: Tensor | None) -> Tensor:
        """Return images ``[N, 1 to 4, R, R]``, about in [-1, 1], from the last layer's features."""
        rgb: Tensor = self.get_submodule(f"output{self.last_block}")(x)
        if image is not None:
            rgb = nearest(image, 2).lerp(rgb, self.fade)
        rgb = rgb.tanh() if self.tanh else rgb
        return nearest(rgb, 2 ** (len(self.channels) - 1 - self.last_block))

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """Return images ``[N, 1 to 4, R, R]``; ``label`` is required where there are classes."""
        return self.to_image(*self.run(self.input(z, label), None, 0, self.depth))

    def input(self, z: Tensor, label: Tensor | None) -> Tensor:
        """Return z and label as the single pixel that the first layer normalizes and reads."""
        x = z if self.joint_norm else pixel_norm(z, 1.0)
        x = x if label is None else torch.cat([x, label], 1)
        return x[:, :, None, None]


State = tuple[Tensor, Tensor | None]
"""Features, and the running image of a half-grown network."""


def nearest(x: Tensor, factor: int) -> Tensor:
    """Upsample by the nearest pixel; return ``x`` itself where the factor is 1."""
    return x if factor == 1 else F.interpolate(x, scale_factor=factor)
