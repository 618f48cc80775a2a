"""Hugging Face's BigGAN-deep (Brock et al., arXiv 1809.11096, appendix B).

The code is ``pytorch_pretrained_biggan/model.py`` of huggingface/pytorch-pretrained-BigGAN; names
and shapes of parameters and buffers are those of its files. Features are ``[N, C, H, W]`` in
channels-last memory. Batch norm has a table of mean and variance over 51 truncations.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from panda.errors import PandaError

from ..common.upsampling import add_upsampled
from . import named
from .parts import Network, Spectral, Table, attend, modulated_relu


@dataclass(frozen=True)
class Config:
    """The sizes and options of a network.

    Attributes:
        z_dim: Size of z.
        embed_dim: Size of a class's vector.
        classes: Number of classes.
        blocks: Whether a block upsamples, its channels in and its channels out.
        attention: Number of blocks before the self-attention.
        eps: Epsilon of batch norm.
        n_stats: Number of truncations for which there are statistics.
    """

    z_dim: int
    embed_dim: int
    classes: int
    blocks: tuple[tuple[bool, int, int], ...]
    attention: int
    eps: float = 1e-4
    n_stats: int = 51


@dataclass(frozen=True)
class Condition:
    """The condition of every block.

    Attributes:
        vector: z and the class's vector, ``[N, z_dim + embed_dim]``.
        rows: Row of the statistics, ``[N]``; it is interpolated with the next row.
        share: Weight of that row, ``[N]``; the next row has the rest.
    """

    vector: Tensor
    rows: Tensor
    share: Tensor


def rows_of(
    truncations: Sequence[float], n_stats: int, *, corrected: bool = False
) -> tuple[list[int], list[float]]:
    """Look up rows of the statistics, and their weights, for truncations.

    The released code swaps the weights of the two rows that it interpolates. Halfway between rows
    that changes nothing, but where rounding puts a truncation just off a row (0.14, 0.58, ...) it
    uses the wrong row alone. By default this function does as the released code.

    Args:
        truncations: Values above 0 and at most 1.
        n_stats: Number of rows.
        corrected: Whether to interpolate with the intended weights.

    Returns:
        The first of the two rows, and its weight, for each truncation.

    Raises:
        PandaError: A truncation is out of range.
    """
    rows, shares = [], []
    for truncation in truncations:
        if not 0 < truncation <= 1:
            raise PandaError(
                f"BigGAN-deep has statistics for truncations above 0 and up to 1, but {truncation}"
                " was given"
            )
        rest, row = math.modf(truncation / (1.0 / (n_stats - 1)))
        rows.append(int(row))
        shares.append(1.0 if rest == 0 else 1 - rest if corrected else rest)
    return rows, shares


class StoredSpectral(Spectral):
    """Spectral norm from the stored vectors u and v, as torch's original hook in eval mode."""

    weight_u: Tensor
    weight_v: Tensor

    def __init__(self, *shape: int, bias: bool = True, up: bool = False) -> None:
        super().__init__(shape[0], bias=bias, up=up)
        self.weight_orig = nn.Parameter(torch.empty(shape))
        self.register_buffer("weight_u", torch.empty(shape[0]))
        self.register_buffer("weight_v", torch.empty(math.prod(shape[1:])))

    def divided(self) -> Tensor:
        """See `Spectral.divided`."""
        sigma = self.weight_u @ (self.weight_orig.flatten(1) @ self.weight_v)
        weight = self.weight_orig / sigma
        del self.weight_orig, self.weight_u, self.weight_v
        return weight


class BatchNorm(nn.Module):
    """Batch norm with statistics of each truncation, and gain and bias from the condition.

    The batch norm before RGB is not ``conditional``: it has a weight and a bias instead.
    """

    running_means: Tensor
    running_vars: Tensor

    def __init__(self, channels: int, config: Config, *, conditional: bool = True) -> None:
        super().__init__()
        self.eps, self.conditional = config.eps, conditional
        self.register_buffer("running_means", torch.empty(config.n_stats, channels))
        self.register_buffer("running_vars", torch.empty(config.n_stats, channels))
        if conditional:
            vector = config.z_dim + config.embed_dim
            self.scale = StoredSpectral(channels, vector, bias=False)
            self.offset = StoredSpectral(channels, vector, bias=False)
        else:
            self.weight = nn.Parameter(torch.empty(channels))
            self.bias = nn.Parameter(torch.empty(channels))

    def forward(self, condition: Condition) -> tuple[Tensor, Tensor]:
        """Return the features' scale ``[N, C]`` and shift ``[N, C]``, normalization included."""
        mean, variance = (
            self._mixed(table, condition) for table in (self.running_means, self.running_vars)
        )
        if self.conditional:
            scale, shift = 1 + self.scale(condition.vector), self.offset(condition.vector)
        else:
            scale, shift = self.weight, self.bias
        scale = scale * torch.rsqrt(variance + self.eps)
        return scale, shift - mean * scale

    @staticmethod
    def _mixed(table: Tensor, condition: Condition) -> Tensor:
        following = (condition.rows + 1).clamp(max=len(table) - 1)
        share = condition.share[:, None]
        return table[condition.rows] * share + table[following] * (1 - share)


class Block(nn.Module):
    """A block: ``[N, C_in, H, W]`` to ``[N, C, H, W]``, or upsampling to ``[N, C, 2 H, 2 W]``.

    Convolutions of 1 x 1, 3 x 3, 3 x 3 and 1 x 1 beside a shortcut; the second may upsample.
    """

    def __init__(self, up: bool, channels_in: int, channels: int, config: Config) -> None:
        super().__init__()
        middle, self.up = channels_in // 4, up
        self.bn_0 = BatchNorm(channels_in, config)
        self.conv_0 = StoredSpectral(middle, channels_in, 1, 1)
        self.bn_1, self.bn_2, self.bn_3 = (BatchNorm(middle, config) for _ in range(3))
        self.conv_1 = StoredSpectral(middle, middle, 3, 3, up=up)
        self.conv_2 = StoredSpectral(middle, middle, 3, 3)
        self.conv_3 = StoredSpectral(channels, middle, 1, 1)
        # The shortcut is all channels or the first half, whatever the number of output channels.
        self.shortcut_channels = channels_in if channels_in == channels else channels_in // 2

    def forward(self, x: Tensor, condition: Condition) -> Tensor:
        """Return features ``[N, C, H, W]`` or ``[N, C, 2 H, 2 W]``; ``x`` is left as it is."""
        y = self.conv_0(modulated_relu(x, *self.bn_0(condition), reuse=False))
        y = modulated_relu(y, *self.bn_1(condition))
        y = self.conv_2(modulated_relu(self.conv_1(y), *self.bn_2(condition)))
        y = self.conv_3(modulated_relu(y, *self.bn_3(condition)))
        shortcut = x[:, : self.shortcut_channels]
        return add_upsampled(y, shortcut) if self.up else y.add_(shortcut)


class SelfAttention(nn.Module):
    """Add self-attention over 2 x 2-pooled features to ``[N, C, H, W]``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.snconv1x1_theta = StoredSpectral(channels // 8, channels, 1, 1, bias=False)
        self.snconv1x1_phi = StoredSpectral(channels // 8, channels, 1, 1, bias=False)
        self.snconv1x1_g = StoredSpectral(channels // 2, channels, 1, 1, bias=False)
        self.snconv1x1_o_conv = StoredSpectral(channels, channels // 2, 1, 1, bias=False)
        self.gamma = nn.Parameter(torch.empty(1))

    def forward(self, x: Tensor, condition: Condition) -> Tensor:
        """Return features of the same shape; ``x`` is left as it is."""
        y = attend(self.snconv1x1_theta(x), self.snconv1x1_phi(x), self.snconv1x1_g(x))
        return torch.addcmul(x, self.snconv1x1_o_conv(y), self.gamma)


class Synthesis(nn.Module):
    """The modules that files call ``generator``: the linear map, all stages and the output."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        channels = config.blocks[0][1]
        self.gen_z = StoredSpectral(16 * channels, config.z_dim + config.embed_dim)
        stages: list[nn.Module] = [Block(*block, config) for block in config.blocks]
        stages.insert(config.attention, SelfAttention(config.blocks[config.attention][1]))
        self.layers = nn.ModuleList(stages)
        last = config.blocks[-1][2]
        self.bn = BatchNorm(last, config, conditional=False)
        self.conv_to_rgb = StoredSpectral(last, last, 3, 3)


class BigGANDeep(Network):
    """BigGAN-deep: a `Condition` to images ``[N, 3, R, R]``."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config, self.z_dim, self.classes = config, config.z_dim, config.classes
        self.embeddings = Table(config.embed_dim, config.classes)
        self.generator = Synthesis(config)
        pixels, stages = 4, []
        for up, _, channels in config.blocks:
            pixels *= 1 + up
            stages.append((pixels, channels, False))
        width, channels, _ = stages[config.attention - 1]
        stages.insert(config.attention, (width, channels, True))
        self.layers = named(stages, config.blocks[0][1])

    def prepare(self) -> None:
        """See `Network.prepare`; the last convolution keeps only its three channels of RGB."""
        super().prepare()
        rgb = self.generator.conv_to_rgb
        assert rgb.bias is not None
        rgb.weight.data, rgb.bias.data = rgb.weight[:3], rgb.bias[:3]

    def condition(self, z: Tensor, label: Tensor, rows: Tensor, share: Tensor) -> Condition:
        """Join z ``[N, z_dim]`` and the vectors of labels ``[N, classes]``; see also `rows_of`."""
        return Condition(torch.cat([z, label @ self.embeddings.weight.T], 1), rows, share)

    def input(self, condition: Condition) -> Tensor:
        """See `Network.input`."""
        x: Tensor = self.generator.gen_z(condition.vector)
        return x.view(len(x), 4, 4, -1).permute(0, 3, 1, 2)

    def step(self, x: Tensor, condition: Condition, index: int) -> Tensor:
        """See `Network.step`."""
        features: Tensor = self.generator.layers[index](x, condition)
        return features

    def to_image(self, x: Tensor, condition: Condition) -> Tensor:
        """See `Network.to_image`."""
        x = modulated_relu(x, *self.generator.bn(condition), reuse=False)
        image: Tensor = self.generator.conv_to_rgb(x)
        return image.tanh()
