"""The residual block of diffusion models and autoencoders, and a decoder made of such blocks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from panda.checkpoints.strict import shape_of

GROUPS = 8
"""Groups of every group norm."""


def normalization(channels: int) -> nn.GroupNorm:
    """Return group norm, whose result does not depend on the other samples of a batch."""
    return nn.GroupNorm(GROUPS, channels)


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut (Ho et al., arXiv 2006.11239).

    A condition scales and shifts the second norm (Dhariwal and Nichol, arXiv 2105.05233).

    Args:
        channels_in: Channels of its input.
        channels: Channels of its output.
        condition: Dimensions of the condition; 0 where there is none.
    """

    def __init__(self, channels_in: int, channels: int, condition: int = 0) -> None:
        super().__init__()
        self.norm0 = normalization(channels_in)
        self.conv0 = nn.Conv2d(channels_in, channels, 3, padding=1)
        self.affine = nn.Linear(condition, 2 * channels) if condition else None
        self.norm1 = normalization(channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        same = channels_in == channels
        self.shortcut = nn.Identity() if same else nn.Conv2d(channels_in, channels, 1)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map ``[N, channels_in, H, W]`` and conditions ``[N, D]`` to ``[N, channels, H, W]``."""
        h = self.norm1(self.conv0(F.silu(self.norm0(x))))
        if self.affine is not None:
            scale, shift = self.affine(condition)[:, :, None, None].chunk(2, 1)
            h = h * (1 + scale) + shift
        y: Tensor = self.shortcut(x) + self.conv1(F.silu(h))
        return y


class Upsample(nn.Module):
    """A 1 x 1 convolution, after which each position becomes four."""

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[N, channels_in, H, W]`` to ``[N, channels, 2 H, 2 W]``."""
        return F.interpolate(self.conv(x), scale_factor=2.0)


class Stage(nn.Module):
    """Residual blocks at one resolution, upsampled to from the one before."""

    def __init__(self, channels_in: int, channels: int, blocks: int, condition: int) -> None:
        super().__init__()
        self.up = Upsample(channels_in, channels) if channels_in else None
        self.blocks = nn.ModuleList(
            ResidualBlock(channels, channels, condition) for _ in range(blocks)
        )

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map ``[N, channels_in, H, W]`` to ``[N, channels, 2 H, 2 W]``, the first to H, W."""
        if self.up is not None:
            x = self.up(x)
        for block in self.blocks:
            x = block(x, condition)
        return x


class Stages(nn.Module):
    """A decoder: stages that double the resolution, and the image after the last.

    Args:
        channels: Channels of each stage; the first keeps the resolution of its input.
        blocks: Residual blocks of each stage.
        condition: Dimensions of the condition of all blocks; 0 where there is none.
    """

    def __init__(self, channels: Sequence[int], blocks: Sequence[int], condition: int = 0) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            Stage(*pair, count, condition)
            for pair, count in zip(pairwise((0, *channels)), blocks, strict=True)
        )
        self.norm = normalization(channels[-1])
        self.output = nn.Conv2d(channels[-1], 3, 3, padding=1)

    def run(self, x: Tensor, start: int, stop: int, condition: Tensor | None = None) -> Tensor:
        """Run stages ``start`` to ``stop - 1``."""
        for stage in self.stages[start:stop]:
            x = stage(x, condition)
        return x

    def to_image(self, x: Tensor) -> Tensor:
        """Return images ``[N, 3, R, R]`` in about [-1, 1] from the last features."""
        image: Tensor = self.output(F.silu(self.norm(x)))
        return image

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return images ``[N, 3, R, R]`` from the input of the first stage."""
        return self.to_image(self.run(x, 0, len(self.stages), condition))


def stage_sizes(
    tensors: Mapping[str, Tensor], prefix: str
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the channels and the residual blocks of each stage of a checkpoint's `Stages`.

    Args:
        tensors: The tensors of the checkpoint.
        prefix: The name of the `Stages` among them.

    Raises:
        PandaError: There is no stage, or one has no first block.
    """
    pattern = re.compile(rf"{re.escape(prefix)}\.stages\.(\d)\.blocks\.(\d)\.conv0\.weight")
    found = [match.groups() for name in tensors if (match := pattern.fullmatch(name))]
    last = max((int(stage) for stage, _ in found), default=0)
    blocks = [
        max((int(b) + 1 for s, b in found if int(s) == k), default=1) for k in range(last + 1)
    ]
    names = [f"{prefix}.stages.{k}.blocks.0.conv0.weight" for k in range(last + 1)]
    return tuple(shape_of(tensors, name, dims=4)[0] for name in names), tuple(blocks)
