"""The networks of StyleGAN2 (Karras et al., arXiv 1912.04958), written for batches.

The official code is ``training/networks.py`` of NVlabs/stylegan2-ada-pytorch, whose parameter names
these are. A modulated convolution scales the input channels of each sample, convolves the whole
batch with the same weights and scales the output channels, which gives the same result as separate
weights for each sample (section 2.2). Features are ``[N, C, H, W]`` in channels-last memory, where
transposed and depthwise convolutions run several times faster on a CPU.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..common.config import StyleGANConfig
from ..common.layers import GAIN, SLOPE, Affine, Linear, Mapping
from ..common.noise import Noise
from ..common.winograd import conv3x3, transform

FILTER = torch.outer(torch.tensor([1.0, 3, 3, 1]), torch.tensor([1.0, 3, 3, 1])) / 64
"""The resampling filter of every official network."""


@dataclass(frozen=True)
class Config(StyleGANConfig):
    """The sizes and options of a StyleGAN2 network.

    Attributes:
        joint_norm: Whether z and the label's vector are normalized together, as in conditional
            networks of the TensorFlow release.
        architecture: ``skip`` grows the image block by block; ``resnet`` and ``orig`` make it in
            the last block (section 4.1 of the paper).
        conv_clamp: Bound of the absolute value of features; None for no bound.
        num_fp16_res: How many of the highest resolutions run in half precision on a GPU.
        tanh: Whether a tanh ends the network.
    """

    joint_norm: bool = False
    architecture: str = "skip"
    conv_clamp: float | None = None
    num_fp16_res: int = 0
    tanh: bool = False


def upsample(x: Tensor, resample_filter: Tensor) -> Tensor:
    """Double height and width of ``[N, C, H, W]``: zeros between the pixels, then the filter."""
    weight = (resample_filter * 4).to(x.dtype).expand(x.shape[1], 1, 4, 4)
    return F.conv_transpose2d(x, weight, stride=2, padding=1, groups=x.shape[1])


class StyledConv(nn.Module):
    """Convolve ``[N, C_in, H, W]`` to ``[N, C, H, W]``, or upsampling to ``[N, C, 2 H, 2 W]``.

    A modulated and demodulated 3 x 3 convolution; then noise, bias, leaky ReLU and clamp.
    """

    noise_const: Tensor
    resample_filter: Tensor
    energy: Tensor
    winograd: Tensor | None

    def __init__(
        self, config: Config, channels_in: int, channels: int, size: tuple[int, int], up: bool
    ) -> None:
        super().__init__()
        self.affine = Affine(config.w_dim, channels_in)
        self.weight = nn.Parameter(torch.empty(channels, channels_in, 3, 3))
        self.bias = nn.Parameter(torch.empty(channels))
        self.noise_strength = nn.Parameter(torch.empty(()))
        self.register_buffer("noise_const", torch.empty(size))
        self.register_buffer("resample_filter", torch.empty(4, 4))
        self.up, self.clamp = up, config.conv_clamp

    def prepare(self) -> None:
        """Compute what depends on the weights alone; call once they are final."""
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
            # Styles and weights of at most one keep sums in range; demodulation cancels the scale.
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
        # The official operation is a convolution, which reads the filter backward; conv2d does not.
        smooth = (self.resample_filter.flip(0, 1) * 4).to(x.dtype).expand(x.shape[1], 1, 4, 4)
        return F.conv2d(x, smooth, padding=1, groups=x.shape[1])


class ToRGB(nn.Module):
    """Convolve ``[N, C, H, W]`` to an image ``[N, 1 to 4, H, W]``: 1 x 1, modulated alone."""

    def __init__(self, config: Config, channels: int) -> None:
        super().__init__()
        self.affine = Linear(config.w_dim, channels)
        self.weight = nn.Parameter(torch.empty(config.image_channels, channels, 1, 1))
        self.bias = nn.Parameter(torch.empty(config.image_channels))
        self.gain = 1 / math.sqrt(channels)
        self.clamp = config.conv_clamp

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Return this resolution's contribution to the image, in the dtype of w."""
        w = w[:, : self.affine.weight.shape[1]]  # shifts of a layer's styles may follow
        weight = self.weight.flatten(1) * (self.affine(w) * self.gain)[:, None, :]
        rows = x.permute(0, 2, 3, 1).flatten(1, 2)
        rows = torch.bmm(rows, weight.to(x.dtype).transpose(1, 2)) + self.bias.to(x.dtype)
        if self.clamp is not None:
            rows = rows.clamp(-self.clamp, self.clamp)
        return rows.to(w.dtype).view(len(x), *x.shape[2:], -1).permute(0, 3, 1, 2)


class Skip(nn.Module):
    """The shortcut of a residual block: ``[N, C_in, H, W]`` to ``[N, C, 2 H, 2 W]``."""

    resample_filter: Tensor

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, channels_in, 1, 1))
        self.register_buffer("resample_filter", torch.empty(4, 4))
        self.gain = math.sqrt(0.5 / channels_in)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve 1 x 1, upsample, and scale for the sum with the block's output."""
        return upsample(F.conv2d(x, (self.weight * self.gain).to(x.dtype)), self.resample_filter)


class Block(nn.Module):
    """The layers of a resolution: ``conv0``, which upsamples to it, ``conv1``, and maybe ToRGB.

    ``name`` is NVIDIA's: ``b4``, ``b8``, ... whatever the size of the constant.
    """

    resample_filter: Tensor

    def __init__(self, config: Config, k: int) -> None:
        super().__init__()
        self.index, self.name = k, f"b{4 << k}"
        channels, size = config.channels[k], config.size_at(k)
        self.register_buffer("resample_filter", torch.empty(4, 4))
        last = k == len(config.channels) - 1
        self.torgb = ToRGB(config, channels) if last or config.architecture == "skip" else None
        self.skip: Skip | None = None
        if k == 0:
            self.const = nn.Parameter(torch.empty(channels, *size))
        else:
            before = config.channels[k - 1]
            self.conv0 = StyledConv(config, before, channels, size, up=True)
            if config.architecture == "resnet":
                self.skip = Skip(before, channels)
        self.conv1 = StyledConv(config, channels, channels, size, up=False)

    def close(self, x: Tensor, residual: Tensor | None) -> Tensor:
        """End a residual block: add the output of `Skip` to that of ``conv1``."""
        return x if residual is None else residual + x * math.sqrt(0.5)

    def paint(self, x: Tensor, w: Tensor, image: Tensor | None) -> Tensor | None:
        """Upsample the skip image ``[N, 1 to 4, H/2, W/2]`` and add this block's contribution."""
        if self.torgb is None:
            return image
        painted: Tensor = self.torgb(x, w)
        return painted if image is None else painted + upsample(image, self.resample_filter)


class Synthesis(nn.Module):
    """Synthesize images ``[N, 1 to 4, H, W]`` from w+ ``[N, num_ws, w_dim]``."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.tanh = config.tanh
        self.blocks: list[Block] = []
        for k in range(len(config.channels)):
            block = Block(config, k)
            self.blocks.append(block)
            self.add_module(block.name, block)
        self.half_from = len(config.channels)
        """The index of the first block whose features are in half precision."""

    def convolutions(self) -> Iterator[tuple[Block, StyledConv]]:
        """Yield every layer in running order, with its block."""
        for block in self.blocks:
            for name in ("conv0", "conv1"):
                if hasattr(block, name):
                    yield block, getattr(block, name)

    def cast(self, x: Tensor, block: Block) -> Tensor:
        """Convert features to the dtype of a block."""
        return x.half() if block.index >= self.half_from else x.to(block.conv1.weight.dtype)

    def forward(self, w: Tensor, noise: Noise) -> Tensor:
        """Return images, about in [-1, 1]."""
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
            # ToRGB takes the w of the next block's first convolution, the last ToRGB the last w.
            image = block.paint(x, w[:, layer], image)
        assert image is not None
        return self.finish(image)

    def finish(self, image: Tensor) -> Tensor:
        """Return the image that the network shows, from the skip image after the last block."""
        return image.tanh() if self.tanh else image


class Network(nn.Module):
    """The mapping network and the synthesis network."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.mapping = Mapping(
            config.z_dim,
            config.w_dim,
            layers=config.mapping_layers,
            classes=config.classes,
            lr_multiplier=config.lr_multiplier,
            joint_norm=config.joint_norm,
        )
        self.synthesis = Synthesis(config)

    def prepare(self) -> None:
        """Compute the kernels of all layers; call once the weights and the device are final.

        Blocks that were trained in half precision run in it on a GPU, and in float32 on a CPU.
        """
        for _, conv in self.synthesis.convolutions():
            conv.prepare()
        first = self.synthesis.blocks[0].const
        if first.is_cuda and first.dtype == torch.float32:
            blocks = len(self.config.channels)
            self.synthesis.half_from = max(1, blocks - self.config.num_fp16_res)
