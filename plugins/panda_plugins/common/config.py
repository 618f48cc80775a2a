"""The sizes that define a StyleGAN or StyleGAN2 network."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StyleGANConfig:
    """The sizes of a network that doubles the resolution step by step, from 4 pixels on.

    Attributes:
        channels: Channels at 4, 8, 16, ... pixels.
        z_dim: Size of z.
        w_dim: Size of w.
        mapping_layers: Depth of the mapping network.
        classes: Number of classes; 0 for an unconditional network.
        lr_multiplier: The learning-rate multiplier of the mapping network, which scales its
            weights and biases at run time.
    """

    channels: tuple[int, ...]
    z_dim: int = 512
    w_dim: int = 512
    mapping_layers: int = 8
    classes: int = 0
    lr_multiplier: float = 0.01

    @property
    def resolution(self) -> int:
        """Height and width of the images, in pixels."""
        return 2 << len(self.channels)

    @property
    def num_ws(self) -> int:
        """Number of slots of w+: one per layer, and in StyleGAN2 one for the last ToRGB."""
        return 2 * len(self.channels)
