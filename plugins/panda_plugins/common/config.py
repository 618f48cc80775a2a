"""The sizes that define a StyleGAN or StyleGAN2 network."""

from __future__ import annotations

from dataclasses import dataclass

from panda.shapes import Size


@dataclass(frozen=True)
class StyleGANConfig:
    """The sizes of a network that doubles height and width step by step, from a constant on.

    Attributes:
        channels: Channels at every resolution, that of the constant first.
        z_dim: Size of z.
        w_dim: Size of w.
        mapping_layers: Depth of the mapping network.
        classes: Number of classes; 0 for an unconditional network.
        lr_multiplier: The learning-rate multiplier of the mapping network, which scales its
            weights and biases at run time.
        const: Height and width of the constant: 4 x 4 in all official networks.
        image_channels: Channels of the images: 1 (gray), 3 (RGB) or 4 (RGBA).
    """

    channels: tuple[int, ...]
    z_dim: int = 512
    w_dim: int = 512
    mapping_layers: int = 8
    classes: int = 0
    lr_multiplier: float = 0.01
    const: Size = (4, 4)
    image_channels: int = 3

    def size_at(self, k: int) -> Size:
        """Return height and width after k doublings."""
        height, width = self.const
        return height << k, width << k

    @property
    def size(self) -> Size:
        """Height and width of the images, in pixels."""
        return self.size_at(len(self.channels) - 1)

    @property
    def num_ws(self) -> int:
        """Number of slots of w+: one per layer, and in StyleGAN2 one for the last ToRGB."""
        return 2 * len(self.channels)
