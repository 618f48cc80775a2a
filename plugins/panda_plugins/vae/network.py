"""The decoder of a variational autoencoder whose blocks are all modulated by z."""

from __future__ import annotations

from torch import Tensor, nn

from ..common.residual import Stages

FIRST = 4
"""Rows and columns of the first stage."""


class Network(nn.Module):
    """Map z ``[N, Z]`` to images ``[N, 3, R, R]``.

    Args:
        z_dim: Z, the dimensions of z.
        condition: Dimensions of the mapped z, which scales and shifts channels in every block.
        channels: Channels at 4 x 4, 8 x 8, and so on.
        blocks: Residual blocks of each.
    """

    def __init__(
        self, z_dim: int, condition: int, channels: tuple[int, ...], blocks: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.z_dim, self.channels = z_dim, channels
        self.mapping = nn.Sequential(
            nn.Linear(z_dim, condition), nn.SiLU(), nn.Linear(condition, condition), nn.SiLU()
        )
        self.input = nn.Linear(z_dim, channels[0] * FIRST * FIRST)
        self.stages = Stages(channels, blocks, condition)

    def begin(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return the input of the first stage, ``[N, C, 4, 4]``, and the condition ``[N, D]``."""
        return self.input(z).unflatten(1, (-1, FIRST, FIRST)), self.mapping(z)

    def forward(self, z: Tensor) -> Tensor:
        """Return images ``[N, 3, R, R]`` in about [-1, 1]."""
        image: Tensor = self.stages(*self.begin(z))
        return image
