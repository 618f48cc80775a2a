"""Andrew Brock's BigGAN and BigGAN-deep (Brock et al., arXiv 1809.11096, appendix B).

The official code is ``BigGAN.py`` and ``BigGANdeep.py`` of ajbrock/BigGAN-PyTorch; names and shapes
of parameters and buffers are those of its files: ``blocks.I.0`` is block I, counted through all
stages, and ``blocks.I.1`` the self-attention after it. Features are ``[N, C, H, W]`` in
channels-last memory.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..common.upsampling import add_upsampled
from . import named
from .parts import Network, Spectral, Table, attend, modulated_relu


@dataclass(frozen=True)
class Config:
    """The sizes and options of a network.

    Attributes:
        z_dim: Size of z.
        shared_dim: Size of a class's vector.
        classes: Number of classes.
        stages: Channels in and out of every stage; each stage doubles the resolution.
        depth: Blocks of every stage of a BigGAN-deep; 0 for the original BigGAN.
        attention: Stages that end with self-attention.
        hierarchical: Whether the blocks of an original BigGAN read a chunk of z each; those of a
            BigGAN-deep read all of z.
        eps: Epsilon of the blocks' batch norms.
    """

    z_dim: int
    shared_dim: int
    classes: int
    stages: tuple[tuple[int, int], ...]
    depth: int = 0
    attention: frozenset[int] = frozenset()
    hierarchical: bool = True
    eps: float = 1e-5

    @property
    def chunk(self) -> int:
        """Size of the chunk of z that a block of an original, hierarchical BigGAN reads."""
        return self.z_dim // (len(self.stages) + 1)

    @property
    def input_dim(self) -> int:
        """Size of the input of the linear map that makes the first features."""
        if self.depth:
            return self.z_dim + self.shared_dim
        return self.chunk if self.hierarchical else self.z_dim

    @property
    def condition_dim(self) -> int:
        """Size of the condition of a block."""
        if self.depth:
            return self.z_dim + self.shared_dim
        return self.shared_dim + self.chunk * self.hierarchical


class PowerSpectral(Spectral):
    """Spectral norm by a step of the power iteration from a stored vector, also in eval mode."""

    u0: Tensor
    sv0: Tensor

    def __init__(self, *shape: int, bias: bool = True, up: bool = False) -> None:
        super().__init__(shape[0], bias=bias, up=up)
        self.weight = nn.Parameter(torch.empty(shape))
        self.register_buffer("u0", torch.empty(1, shape[0]))
        self.register_buffer("sv0", torch.empty(1))  # the last estimate of training; not used

    def divided(self) -> Tensor:
        """See `Spectral.divided`."""
        rows = self.weight.flatten(1)
        v = F.normalize(self.u0 @ rows)
        u = F.normalize(v @ rows.T)
        return self.weight / (v @ rows.T @ u.T)[0, 0]


class StoredStatistics(nn.Module):
    """The stored mean and variance of batch norm, ``[C]``."""

    stored_mean: Tensor
    stored_var: Tensor

    def __init__(self, channels: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.register_buffer("stored_mean", torch.empty(channels))
        self.register_buffer("stored_var", torch.empty(channels))

    def joined(self, gain: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """Return scale and shift ``[N, C]`` that normalize features, then apply gain and bias."""
        scale = gain * torch.rsqrt(self.stored_var + self.eps)
        return scale, bias - self.stored_mean * scale


class BatchNorm(StoredStatistics):
    """Batch norm whose gain and bias come from the condition ``[N, condition_dim]``."""

    def __init__(self, channels: int, config: Config) -> None:
        super().__init__(channels, config.eps)
        self.gain = PowerSpectral(channels, config.condition_dim, bias=False)
        self.bias = PowerSpectral(channels, config.condition_dim, bias=False)

    def forward(self, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Return scale and shift ``[N, C]`` of the features."""
        return self.joined(1 + self.gain(condition), self.bias(condition))


class OutputNorm(StoredStatistics):
    """The batch norm before RGB, which has no condition, and always the default epsilon."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, Config.eps)
        self.gain = nn.Parameter(torch.empty(channels))
        self.bias = nn.Parameter(torch.empty(channels))

    def forward(self) -> tuple[Tensor, Tensor]:
        """Return scale and shift ``[1, C]`` of the features."""
        return self.joined(self.gain[None], self.bias[None])


class Block(nn.Module):
    """A block of BigGAN: ``[N, C_in, H, W]`` to ``[N, C, 2 H, 2 W]``.

    Two 3 x 3 convolutions, the first after upsampling; the shortcut is a 1 x 1 convolution.
    """

    def __init__(self, channels_in: int, channels: int, config: Config) -> None:
        super().__init__()
        self.bn1 = BatchNorm(channels_in, config)
        self.bn2 = BatchNorm(channels, config)
        self.conv1 = PowerSpectral(channels, channels_in, 3, 3, up=True)
        self.conv2 = PowerSpectral(channels, channels, 3, 3)
        self.conv_sc = PowerSpectral(channels, channels_in, 1, 1)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Return features ``[N, C, 2 H, 2 W]``; ``x`` is left as it is."""
        y = self.conv1(modulated_relu(x, *self.bn1(condition), reuse=False))
        y = self.conv2(modulated_relu(y, *self.bn2(condition)))
        return add_upsampled(y, self.conv_sc(x))  # 1 x 1 and nearest upsampling commute


class DeepBlock(nn.Module):
    """A block of BigGAN-deep: ``[N, C_in, H, W]`` to ``[N, C, H, W]``, or upsampling by two.

    Convolutions of 1 x 1, 3 x 3, 3 x 3 and 1 x 1; the shortcut is the first C channels.
    """

    def __init__(self, channels_in: int, channels: int, up: bool, config: Config) -> None:
        super().__init__()
        self.shortcut_channels, self.up, middle = channels, up, channels_in // 4
        self.bn1 = BatchNorm(channels_in, config)
        self.conv1 = PowerSpectral(middle, channels_in, 1, 1)
        self.bn2, self.bn3, self.bn4 = (BatchNorm(middle, config) for _ in range(3))
        self.conv2 = PowerSpectral(middle, middle, 3, 3, up=up)
        self.conv3 = PowerSpectral(middle, middle, 3, 3)
        self.conv4 = PowerSpectral(channels, middle, 1, 1)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Return features ``[N, C, H, W]`` or ``[N, C, 2 H, 2 W]``; ``x`` is left as it is."""
        y = self.conv1(modulated_relu(x, *self.bn1(condition), reuse=False))
        y = self.conv2(modulated_relu(y, *self.bn2(condition)))
        y = self.conv3(modulated_relu(y, *self.bn3(condition)))
        y = self.conv4(modulated_relu(y, *self.bn4(condition)))
        shortcut = x[:, : self.shortcut_channels]
        return add_upsampled(y, shortcut) if self.up else y.add_(shortcut)


class SelfAttention(nn.Module):
    """Add self-attention over 2 x 2-pooled features to ``[N, C, H, W]``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.theta = PowerSpectral(channels // 8, channels, 1, 1, bias=False)
        self.phi = PowerSpectral(channels // 8, channels, 1, 1, bias=False)
        self.g = PowerSpectral(channels // 2, channels, 1, 1, bias=False)
        self.o = PowerSpectral(channels, channels // 2, 1, 1, bias=False)
        self.gamma = nn.Parameter(torch.empty(()))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Return features of the same shape; ``x`` is left as it is."""
        y = attend(self.theta(x), self.phi(x), self.g(x))
        return torch.addcmul(x, self.o(y), self.gamma)


@dataclass(frozen=True)
class Condition:
    """The conditions of a forward pass.

    Attributes:
        input: Input of the linear map, ``[N, input_dim]``.
        stages: Condition of every stage's blocks, ``[N, condition_dim]``.
    """

    input: Tensor
    stages: tuple[Tensor, ...]


class BigGAN(Network):
    """BigGAN or BigGAN-deep, depending on its config: a `Condition` to images ``[N, 3, R, R]``."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config, self.z_dim, self.classes = config, config.z_dim, config.classes
        first, last = config.stages[0][0], config.stages[-1][1]
        self.shared = Table(config.classes, config.shared_dim)
        self.linear = PowerSpectral(16 * first, config.input_dim)
        self.blocks = nn.ModuleList()
        self.flat: list[tuple[nn.Module, int]] = []
        outputs = []
        for i, (channels_in, channels) in enumerate(config.stages):
            blocks = self._blocks(channels_in, channels)
            outputs += [(4 << i, channels_in, False)] * (len(blocks) - 1)
            outputs.append((8 << i, channels, False))
            modules = [nn.ModuleList([block]) for block in blocks]
            if i in config.attention:
                modules[-1].append(SelfAttention(channels))
                outputs.append((8 << i, channels, True))
            self.blocks.extend(modules)
            self.flat += [(module, i) for group in modules for module in group]
        self.output_layer = nn.ModuleDict(
            {"0": OutputNorm(last), "2": PowerSpectral(3, last, 3, 3)}
        )
        self.layers = named(outputs, first)

    def _blocks(self, channels_in: int, channels: int) -> list[nn.Module]:
        if not self.config.depth:
            return [Block(channels_in, channels, self.config)]
        # Only the last block of a stage upsamples and changes the number of channels.
        blocks = [False] * (self.config.depth - 1) + [True]
        return [
            DeepBlock(channels_in, channels if last else channels_in, last, self.config)
            for last in blocks
        ]

    def condition(self, z: Tensor, label: Tensor) -> Condition:
        """Distribute z ``[N, z_dim]`` and the vectors of labels ``[N, classes]`` to the stages."""
        y, count = label @ self.shared.weight, len(self.config.stages)
        if self.config.depth:
            whole = torch.cat([y, z], 1)
            return Condition(whole, (whole,) * count)
        if not self.config.hierarchical:
            return Condition(z, (y,) * count)
        first, *others = torch.split(z, self.config.chunk, 1)
        return Condition(first, tuple(torch.cat([y, chunk], 1) for chunk in others))

    def input(self, condition: Condition) -> Tensor:
        """See `Network.input`."""
        x: Tensor = self.linear(condition.input)
        x = x.view(len(x), -1, 4, 4)
        return x.contiguous(memory_format=torch.channels_last)

    def step(self, x: Tensor, condition: Condition, index: int) -> Tensor:
        """See `Network.step`."""
        module, stage = self.flat[index]
        features: Tensor = module(x, condition.stages[stage])
        return features

    def to_image(self, x: Tensor, condition: Condition) -> Tensor:
        """See `Network.to_image`."""
        x = modulated_relu(x, *self.output_layer["0"](), reuse=False)
        image: Tensor = self.output_layer["2"](x)
        return image.tanh()
