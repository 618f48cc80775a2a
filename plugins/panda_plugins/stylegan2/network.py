"""The networks of StyleGAN2, under NVIDIA's parameter names, written for batches.

A modulated convolution scales the input channels of each sample, convolves the whole batch with
one set of weights and scales the output channels: the same function as weights of each sample's
own, without making them (Karras et al., arXiv 1912.04958, section 2.2). Features are
`[N, C, H, W]` in channels-last memory, where transposed and depthwise convolutions run several
times faster on a CPU.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..common.layers import GAIN, SLOPE, Affine, Linear, normalize
from ..common.noise import Noise
from ..common.winograd import conv3x3, transform

FILTER = torch.outer(torch.tensor([1.0, 3, 3, 1]), torch.tensor([1.0, 3, 3, 1])) / 64
"""The resampling filter of every official network."""


@dataclass(frozen=True)
class Config:
    """What shapes a network; ``channels`` are those at 4, 8, 16, ... pixels."""

    channels: tuple[int, ...]
    z_dim: int = 512
    w_dim: int = 512
    mapping_layers: int = 8
    classes: int = 0
    joint_norm: bool = False
    """Conditional networks of the TensorFlow release normalize z and the label's vector at once."""
    architecture: str = "skip"
    """``skip``: an image that grows block by block; ``resnet`` or ``orig``: one at the end."""
    lr_multiplier: float = 0.01
    conv_clamp: float | None = None
    num_fp16_res: int = 0
    """How many of the highest resolutions run in half precision on a GPU."""

    @property
    def resolution(self) -> int:
        """Height and width of the images, in pixels."""
        return 2 << len(self.channels)

    @property
    def num_ws(self) -> int:
        """How many layers take a w of their own, ToRGB of the last block included."""
        return 2 * len(self.channels)


class Mapping(nn.Module):
    """z ``[N, z_dim]`` and one-hot labels ``[N, classes]`` to w ``[N, w_dim]``, untruncated."""

    w_avg: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        features = config.z_dim
        self.classes, self.joint_norm = config.classes, config.joint_norm
        if config.classes and config.joint_norm:
            self.label_weight = nn.Parameter(torch.empty(config.classes, config.z_dim))
            features += config.z_dim
        elif config.classes:
            self.embed = Linear(config.classes, config.w_dim)
            features += config.w_dim
        self.layers: list[Linear] = []
        for i in range(config.mapping_layers):
            size = config.w_dim if i else features
            self.layers.append(Linear(size, config.w_dim, lr_multiplier=config.lr_multiplier))
            self.add_module(f"fc{i}", self.layers[-1])
        self.register_buffer("w_avg", torch.empty(config.w_dim))

    def forward(self, z: Tensor, label: Tensor | None) -> Tensor:
        """Return w; ``label`` is given where there are classes."""
        if label is None:
            x = normalize(z)
        elif self.joint_norm:
            x = normalize(torch.cat([z, label @ self.label_weight], 1))
        else:
            x = torch.cat([normalize(z), normalize(self.embed(label))], 1)
        for layer in self.layers:
            x = F.leaky_relu(layer(x), SLOPE) * GAIN
        return x


def upsample(x: Tensor, resample_filter: Tensor) -> Tensor:
    """Double height and width: zeros between the pixels, then the filter."""
    weight = (resample_filter * 4).to(x.dtype).expand(x.shape[1], 1, 4, 4)
    return F.conv_transpose2d(x, weight, stride=2, padding=1, groups=x.shape[1])


class StyledConv(nn.Module):
    """Modulated 3 x 3 convolution (upsampling or not), noise, bias, leaky ReLU, clamp."""

    noise_const: Tensor
    resample_filter: Tensor
    energy: Tensor
    winograd: Tensor | None

    def __init__(
        self, config: Config, channels_in: int, channels: int, pixels: int, up: bool
    ) -> None:
        super().__init__()
        self.affine = Affine(config.w_dim, channels_in)
        self.weight = nn.Parameter(torch.empty(channels, channels_in, 3, 3))
        self.bias = nn.Parameter(torch.empty(channels))
        self.noise_strength = nn.Parameter(torch.empty(()))
        self.register_buffer("noise_const", torch.empty(pixels, pixels))
        self.register_buffer("resample_filter", torch.empty(4, 4))
        self.up, self.clamp = up, config.conv_clamp

    def prepare(self) -> None:
        """Compute once what depends on the weights alone."""
        self.register_buffer("energy", self.weight.square().sum((2, 3)), persistent=False)
        self.register_buffer(
            "winograd", None if self.up else transform(self.weight), persistent=False
        )

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        """Return features ``[N, C, H, W]`` from w ``[N, w_dim]``; ``x`` is left as it is."""
        style = self.affine(w)
        energy: Tensor = self.energy
        weight: Tensor = self.weight
        if x.dtype == torch.float16:
            # Styles and weights of at most one keep sums in range; demodulation undoes it.
            peak = weight.abs().amax((1, 2, 3)) * math.sqrt(weight[0].numel())
            style = style / style.abs().amax(1, keepdim=True)
            energy, weight = energy / peak.square()[:, None], weight / peak[:, None, None, None]
        demodulation = torch.rsqrt(style.square() @ energy.T + 1e-8) * GAIN
        x = self._convolve(x, style.to(x.dtype), weight.to(x.dtype))
        # Leaky ReLU commutes with positive factors: its gain goes into its three summands, and
        # the clamp comes first, so that every step can be done in place, under autograd too.
        x.mul_(demodulation.to(x.dtype)[:, :, None, None])
        if noise is not None:
            x.add_((noise * self.noise_strength * GAIN).to(x.dtype))
        x.add_((self.bias * GAIN).to(x.dtype)[:, None, None])
        if self.clamp is not None:
            x.clamp_(-self.clamp / SLOPE, self.clamp)
        return F.leaky_relu_(x, SLOPE)

    def _convolve(self, x: Tensor, style: Tensor, weight: Tensor) -> Tensor:
        if self.winograd is not None:
            return conv3x3(x, self.winograd, style)
        x = x.contiguous(memory_format=torch.channels_last) * style[:, :, None, None]
        if not self.up:
            return F.conv2d(x, weight, padding=1)
        x = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
        smooth = (self.resample_filter * 4).to(x.dtype).expand(x.shape[1], 1, 4, 4)
        return F.conv2d(x, smooth, padding=1, groups=x.shape[1])


class ToRGB(nn.Module):
    """Modulated 1 x 1 convolution to an image ``[N, 3, H, W]``, without demodulation."""

    def __init__(self, config: Config, channels: int) -> None:
        super().__init__()
        self.affine = Linear(config.w_dim, channels)
        self.weight = nn.Parameter(torch.empty(3, channels, 1, 1))
        self.bias = nn.Parameter(torch.empty(3))
        self.gain = 1 / math.sqrt(channels)
        self.clamp = config.conv_clamp

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Return this resolution's contribution to the image, in the precision of w."""
        w = w[:, : self.affine.weight.shape[1]]  # what may follow shifts a convolution's styles
        weight = self.weight.flatten(1) * (self.affine(w) * self.gain)[:, None, :]
        rows = x.permute(0, 2, 3, 1).flatten(1, 2)
        rows = torch.bmm(rows, weight.to(x.dtype).transpose(1, 2)) + self.bias.to(x.dtype)
        if self.clamp is not None:
            rows = rows.clamp(-self.clamp, self.clamp)
        return rows.to(w.dtype).view(len(x), *x.shape[2:], 3).permute(0, 3, 1, 2)


class Skip(nn.Module):
    """The shortcut of a residual block: 1 x 1 convolution, then upsampling."""

    resample_filter: Tensor

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, channels_in, 1, 1))
        self.register_buffer("resample_filter", torch.empty(4, 4))
        self.gain = math.sqrt(0.5 / channels_in)

    def forward(self, x: Tensor) -> Tensor:
        """Return features ``[N, C, 2 H, 2 W]``, scaled for the sum."""
        return upsample(F.conv2d(x, (self.weight * self.gain).to(x.dtype)), self.resample_filter)


class Block(nn.Module):
    """One resolution: an upsampling convolution (not at 4 x 4), a convolution, perhaps ToRGB."""

    resample_filter: Tensor

    def __init__(self, config: Config, k: int) -> None:
        super().__init__()
        self.pixels, channels = 4 << k, config.channels[k]
        self.register_buffer("resample_filter", torch.empty(4, 4))
        last = k == len(config.channels) - 1
        self.torgb = ToRGB(config, channels) if last or config.architecture == "skip" else None
        self.skip: Skip | None = None
        if k == 0:
            self.const = nn.Parameter(torch.empty(channels, 4, 4))
        else:
            before = config.channels[k - 1]
            self.conv0 = StyledConv(config, before, channels, self.pixels, up=True)
            if config.architecture == "resnet":
                self.skip = Skip(before, channels)
        self.conv1 = StyledConv(config, channels, channels, self.pixels, up=False)

    def close(self, x: Tensor, residual: Tensor | None) -> Tensor:
        """End a residual block: add what `Skip` gave to the output of ``conv1``."""
        return x if residual is None else residual + x * math.sqrt(0.5)

    def paint(self, x: Tensor, w: Tensor, image: Tensor | None) -> Tensor | None:
        """Add this block's contribution to the running image ``[N, 3, H/2, W/2]``."""
        if self.torgb is None:
            return image
        painted: Tensor = self.torgb(x, w)
        return painted if image is None else painted + upsample(image, self.resample_filter)


class Synthesis(nn.Module):
    """w of every layer ``[N, num_ws, w_dim]`` to images ``[N, 3, R, R]``."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.blocks: list[Block] = []
        for k in range(len(config.channels)):
            block = Block(config, k)
            self.blocks.append(block)
            self.add_module(f"b{block.pixels}", block)
        self.half_from = config.resolution + 1
        """The resolution from which features are held in half precision."""

    def convolutions(self) -> Iterator[tuple[Block, StyledConv]]:
        """Every layer in order, with the block it stands in."""
        for block in self.blocks:
            for name in ("conv0", "conv1"):
                if hasattr(block, name):
                    yield block, getattr(block, name)

    def cast(self, x: Tensor, block: Block) -> Tensor:
        """Bring features to the precision of a block."""
        return x.half() if block.pixels >= self.half_from else x.to(block.conv1.weight.dtype)

    def forward(self, w: Tensor, noise: Noise) -> Tensor:
        """Return images in about [-1, 1], computed block by block."""
        styles = iter(w.unbind(1))
        x, image = self.blocks[0].const.expand(len(w), -1, -1, -1), None
        layer = 0
        for block in self.blocks:
            x = self.cast(x, block)
            residual = None if block.skip is None else block.skip(x)
            for name in ("conv0", "conv1"):
                if conv := getattr(block, name, None):
                    x = conv(x, next(styles), noise.draw(layer, conv.noise_const))
                    layer += 1
            x = block.close(x, residual)
            # ToRGB takes the w of the next block's first convolution, or the last one.
            image = block.paint(x, w[:, layer], image)
        assert image is not None
        return image


class Network(nn.Module):
    """Mapping and synthesis."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.mapping = Mapping(config)
        self.synthesis = Synthesis(config)

    def prepare(self) -> None:
        """Get ready to run, once the weights and the device are final.

        Blocks that were trained in half precision run so on a GPU, and in full on a CPU.
        """
        for _, conv in self.synthesis.convolutions():
            conv.prepare()
        first = self.synthesis.blocks[0].const
        if first.is_cuda and first.dtype == torch.float32:
            self.synthesis.half_from = max(
                8, 2 * self.config.resolution >> self.config.num_fp16_res
            )
