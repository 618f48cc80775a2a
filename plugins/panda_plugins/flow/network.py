"""Flow matching over an autoencoder's latents: the UNet that predicts velocities, and the decoder.

Rectified flow (Liu et al., arXiv 2209.03003) with the latents of an autoencoder in place of pixels
(Rombach et al., arXiv 2112.10752).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..common.residual import ResidualBlock, Stages, Upsample, normalization

FREQUENCIES = 32
"""Sines and cosines that tell the network the time."""

HEAD_SIZE = 32
"""Channels of each attention head."""


@dataclass(frozen=True)
class Carried:
    """What a pass of the UNet needs beside the features at a place.

    Attributes:
        condition: The time, embedded, ``[N, D]``.
        skips: Features ``[N, C, H, W]`` that bypass the coarse half, the last first.
    """

    condition: Tensor
    skips: tuple[Tensor, ...]


class SelfAttention(nn.Module):
    """Attention of all positions to all, beside a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = normalization(channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.output = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return features of the same shape ``[N, C, H, W]``."""
        heads = x.shape[1] // HEAD_SIZE
        tokens = self.qkv(self.norm(x)).flatten(2).unflatten(1, (3 * heads, HEAD_SIZE)).mT
        query, key, value = tokens.chunk(3, 1)
        mixed = (query @ key.mT / HEAD_SIZE**0.5).softmax(-1) @ value
        y: Tensor = x + self.output(mixed.mT.flatten(1, 2).unflatten(2, x.shape[2:]))
        return y


class UNet(nn.Module):
    """Predict the velocity of noisy latents, at two resolutions.

    A pass can be stopped at two places: ``mid``, after the coarse half, and ``up``, before the
    output.

    Args:
        latents: Channels of the latents.
        side: Rows and columns of the latents.
        channels: Channels at that resolution, and at half of it.
        condition: Dimensions of the embedded time.
    """

    def __init__(self, latents: int, side: int, channels: tuple[int, int], condition: int) -> None:
        super().__init__()
        self.latents, self.side, self.widths = latents, side, channels
        fine, coarse = channels
        self.time = nn.Sequential(
            nn.Linear(2 * FREQUENCIES, condition), nn.SiLU(), nn.Linear(condition, condition)
        )
        self.input = nn.Conv2d(latents, fine, 3, padding=1)
        self.position = nn.Parameter(torch.zeros(1, fine, side, side))
        self.down0 = ResidualBlock(fine, fine, condition)
        self.down1 = ResidualBlock(fine, fine, condition)
        self.shrink = nn.Conv2d(fine, coarse, 4, stride=2, padding=1)
        self.mid0 = ResidualBlock(coarse, coarse, condition)
        self.attention = SelfAttention(coarse)
        self.mid1 = ResidualBlock(coarse, coarse, condition)
        self.grow = Upsample(coarse, fine)
        self.up0 = ResidualBlock(2 * fine, fine, condition)
        self.up1 = ResidualBlock(2 * fine, fine, condition)
        self.norm = normalization(fine)
        self.output = nn.Conv2d(fine, latents, 3, padding=1)

    def carry(self, x: Tensor, time: Tensor) -> Carried:
        """Return what the places need of noisy latents beside each other's features.

        Args:
            x: Noisy latents ``[N, latents, H, W]``.
            time: ``[N]``, from 1 (noise) to 0 (latents of an image).
        """
        powers = torch.arange(FREQUENCIES, device=x.device, dtype=torch.float32) / FREQUENCIES
        angles = time.float()[:, None] * (1000 ** (1 - powers))
        embedded = self.time(torch.cat([angles.sin(), angles.cos()], 1).to(x.dtype))
        condition = F.silu(embedded)
        first = self.down0(self.input(x) + self.position, condition)
        return Carried(condition, (self.down1(first, condition), first))

    def begin(self, carried: Carried) -> Tensor:
        """Return the features of ``mid``, ``[N, coarse, H / 2, W / 2]``."""
        x = self.mid0(self.shrink(carried.skips[0]), carried.condition)
        y: Tensor = self.mid1(self.attention(x), carried.condition)
        return y

    def proceed(self, x: Tensor, carried: Carried) -> Tensor:
        """Run from ``mid`` to ``up``: features ``[N, fine, H, W]``."""
        x = self.grow(x)
        for block, skip in zip((self.up0, self.up1), carried.skips, strict=True):
            x = block(torch.cat([x, skip], 1), carried.condition)
        return x

    def finish(self, x: Tensor) -> Tensor:
        """Return velocities ``[N, latents, H, W]`` from the features of ``up``."""
        velocity: Tensor = self.output(F.silu(self.norm(x)))
        return velocity

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """Return velocities ``[N, latents, H, W]`` of noisy latents at times ``[N]``."""
        carried = self.carry(x, time)
        return self.finish(self.proceed(self.begin(carried), carried))


class Decoder(nn.Module):
    """Decode latents: they are scaled back, widened, and doubled in resolution twice."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, latents: int, channels: tuple[int, ...], blocks: tuple[int, ...]) -> None:
        super().__init__()
        self.channels = channels
        self.register_buffer("mean", torch.zeros(1, latents, 1, 1))
        self.register_buffer("deviation", torch.ones(1, latents, 1, 1))
        self.input = nn.Conv2d(latents, channels[0], 3, padding=1)
        self.stages = Stages(channels, blocks)

    def begin(self, latents: Tensor) -> Tensor:
        """Return the input of the first stage from latents ``[N, C, H, W]`` of unit variance."""
        widened: Tensor = self.input(latents * self.deviation + self.mean)
        return widened

    def forward(self, latents: Tensor) -> Tensor:
        """Return images ``[N, 3, R, R]`` in about [-1, 1]."""
        image: Tensor = self.stages(self.begin(latents))
        return image


class Network(nn.Module):
    """The UNet and the decoder.

    Args:
        latents: Channels of the latents.
        side: Rows and columns of the latents.
        widths: Channels of the UNet at that resolution, and at half of it.
        condition: Dimensions of the embedded time.
        channels: Channels of the decoder's stages.
        blocks: Residual blocks of the decoder's stages.
    """

    def __init__(
        self,
        latents: int,
        side: int,
        widths: tuple[int, int],
        condition: int,
        channels: tuple[int, ...],
        blocks: tuple[int, ...],
    ) -> None:
        super().__init__()
        self.unet = UNet(latents, side, widths, condition)
        self.decoder = Decoder(latents, channels, blocks)
