"""The networks of StyleGAN (Karras et al., arXiv 1812.04948), grown to their full resolution.

The official code is ``training/networks_stylegan.py`` of NVlabs/stylegan; parameters are named as
in genforce/genforce. Features are ``[N, C, H, W]`` in channels-last memory, where transposed and
depthwise convolutions run several times faster on a CPU.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..common.config import StyleGANConfig
from ..common.layers import GAIN, SLOPE, Affine, Linear, normalize
from ..common.noise import Noise
from ..common.winograd import conv3x3, transform

BLUR = torch.outer(torch.tensor([1.0, 2, 1]), torch.tensor([1.0, 2, 1])) / 16
"""The usual filter after every upsampling convolution."""


@dataclass(frozen=True)
class Config(StyleGANConfig):
    """The sizes and options of a StyleGAN network.

    Attributes:
        fused_scale: Whether upsampling and convolution are one operation, whose weights are the
            other way around; ``"auto"`` for that from 128 pixels on.
        tanh: Whether a tanh ends the network.
    """

    fused_scale: bool | str = "auto"
    tanh: bool = False


class Mapping(nn.Module):
    """Map z ``[N, z_dim]`` and one-hot labels ``[N, classes]`` to w ``[N, w_dim]``, untruncated."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        features = config.z_dim
        if config.classes:
            self.label_weight = nn.Parameter(torch.empty(config.classes, config.z_dim))
            features += config.z_dim
        self.layers: list[Linear] = []
        for i in range(config.mapping_layers):
            size = config.w_dim if i else features
            self.layers.append(Linear(size, config.w_dim, GAIN, config.lr_multiplier))
            self.add_module(f"dense{i}", self.layers[-1])

    def forward(self, z: Tensor, label: Tensor | None) -> Tensor:
        """Return w; ``label`` is required where there are classes."""
        x = z if label is None else torch.cat([z, label @ self.label_weight], 1)
        x = normalize(x)
        for layer in self.layers:
            x = F.leaky_relu(layer(x), SLOPE)
        return x


class StoredNoise(nn.Module):
    """A stored noise map ``[1, 1, H, W]`` and the strength of noise in each channel ``[C]``."""

    noise: Tensor

    def __init__(self, channels: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels))
        self.register_buffer("noise", torch.empty(1, 1, *size))


class Blur(nn.Module):
    """Smooth ``[N, C, H, W]`` with a depthwise 3 x 3 filter, zero-padded."""

    kernel: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("kernel", torch.empty(channels, 1, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        """Return the smoothed features, of the same shape."""
        return F.conv2d(x, self.kernel, padding=1, groups=x.shape[1])


class StyledLayer(nn.Module):
    """Convolve features ``[N, C_in, H, W]``, or repeat the constant, and style ``[N, C, H, W]``.

    The 3 x 3 convolution doubles H and W in every even layer but the first. Noise, bias, leaky ReLU
    and AdaIN follow.
    """

    kernel: Tensor
    winograd: Tensor | None

    def __init__(self, config: Config, index: int) -> None:
        super().__init__()
        k = index // 2
        channels, size = config.channels[k], config.size_at(k)
        self.up = index % 2 == 0
        before = config.channels[k - 1] if self.up else channels
        if index == 0:
            self.const = nn.Parameter(torch.empty(1, channels, *size))
        else:
            self.weight = nn.Parameter(torch.empty(channels, before, 3, 3))
            if self.up:
                self.blur = Blur(channels)
        self.bias = nn.Parameter(torch.empty(channels))
        self.apply_noise = StoredNoise(channels, size)
        self.style = Affine(config.w_dim, 2 * channels)
        self.scale = GAIN / math.sqrt(9 * before)
        is_large = min(size) >= 128
        self.fused = is_large if config.fused_scale == "auto" else config.fused_scale

    def prepare(self) -> None:
        """Compute the kernels; call once the weights are final.

        A layer that is not fused repeats every pixel and convolves. A fused layer runs a transposed
        convolution whose kernel is the sum of four shifts of the weights. The first equals the
        second with flipped weights, at less than half the products.
        """
        kernel: Tensor | None = None
        winograd: Tensor | None = None
        if hasattr(self, "weight"):
            kernel = self.weight * self.scale
            if self.up:
                kernel = kernel if self.fused else kernel.flip(2, 3)
                kernel = F.pad(kernel, (1, 1, 1, 1))
                kernel = kernel[..., 1:, :] + kernel[..., :-1, :]
                kernel = (kernel[..., 1:] + kernel[..., :-1]).transpose(0, 1).contiguous()
            else:
                winograd = transform(kernel)
        self.register_buffer("kernel", kernel, persistent=False)
        self.register_buffer("winograd", winograd, persistent=False)

    def forward(self, x: Tensor | None, w: Tensor, noise: Tensor | None) -> Tensor:
        """Return features ``[N, C, H, W]`` from w ``[N, w_dim]``; ``x`` is left as it is."""
        x = self._convolve(x, len(w))
        if noise is not None:
            x.addcmul_(noise, self.apply_noise.weight[:, None, None])
        x = F.leaky_relu_(x.add_(self.bias[:, None, None]), SLOPE)
        x = x - x.mean((2, 3), keepdim=True)
        deviation = torch.sqrt(x.square().mean((2, 3), keepdim=True) + 1e-8)
        scale, shift = self.style(w)[:, :, None, None].chunk(2, 1)
        return torch.addcmul(shift, x, (scale + 1) / deviation)

    def _convolve(self, x: Tensor | None, count: int) -> Tensor:
        if x is None:
            const = self.const.repeat(count, 1, 1, 1)
            return const.contiguous(memory_format=torch.channels_last)
        if self.winograd is not None:
            return conv3x3(x, self.winograd)
        x = x.contiguous(memory_format=torch.channels_last)
        if not self.up:
            return F.conv2d(x, self.kernel, padding=1)
        x = F.conv_transpose2d(x, self.kernel, stride=2, padding=1)
        smooth: Tensor = self.blur(x)
        return smooth


class Output(nn.Module):
    """Convolve ``[N, C, H, W]`` with a 1 x 1 kernel to an image ``[N, 1 to 4, H, W]``."""

    def __init__(self, channels: int, colors: int, tanh: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(colors, channels, 1, 1))
        self.bias = nn.Parameter(torch.empty(colors))
        self.gain, self.tanh = 1 / math.sqrt(channels), tanh

    def forward(self, x: Tensor) -> Tensor:
        """Return images, about in [-1, 1]."""
        image = F.conv2d(x, self.weight * self.gain, self.bias)
        return image.tanh() if self.tanh else image


class Synthesis(nn.Module):
    """Synthesize images ``[N, 1 to 4, H, W]`` from w+ ``[N, num_ws, w_dim]``."""

    lod: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.register_buffer("lod", torch.empty(()))
        self.layers: list[StyledLayer] = []
        for i in range(config.num_ws):
            self.layers.append(StyledLayer(config, i))
            self.add_module(f"layer{i}", self.layers[-1])
        # Only the last is used: the others served while the network grew, and files contain them.
        colors = config.image_channels
        self.outputs = [Output(channels, colors, config.tanh) for channels in config.channels]
        for k, output in enumerate(self.outputs):
            self.add_module(f"output{k}", output)

    def forward(self, w: Tensor, noise: Noise) -> Tensor:
        """Return images, about in [-1, 1]."""
        x: Tensor | None = None
        for i, layer in enumerate(self.layers):
            x = layer(x, w[:, i], noise.draw(i, layer.apply_noise.noise))
        image: Tensor = self.outputs[-1](x)
        return image


class Truncation(nn.Module):
    """The mean of w, ``[w_dim]``, under the name that files use."""

    w_avg: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.register_buffer("w_avg", torch.empty(config.w_dim))


class Network(nn.Module):
    """The mapping network, the mean of w and the synthesis network."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.mapping = Mapping(config)
        self.truncation = Truncation(config)
        self.synthesis = Synthesis(config)

    def prepare(self) -> None:
        """Compute the kernels of all layers; call once the weights and the device are final."""
        for layer in self.synthesis.layers:
            layer.prepare()
