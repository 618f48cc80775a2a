"""Decoders of latents: AutoencoderKL and VQModel."""

from __future__ import annotations

from typing import Any, cast

from torch import Tensor, nn

from panda.generators.places import Place

from .library import sides_of


class Decoder(nn.Module):
    """What makes images of latents whose standard deviation is about one.

    Args:
        model: An AutoencoderKL or a VQModel of diffusers. Its encoder is dropped.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        model.encoder = model.quant_conv = None
        self.model = model
        self.scale, self.shift = (
            model.config.scaling_factor,
            model.config.get("shift_factor") or 0.0,
        )

    @property
    def pixels(self) -> int:
        """How many pixels on a side a position of latents is of."""
        return 1 << (len(self.model.config.block_out_channels) - 1)

    @property
    def latent(self) -> tuple[int, int, int]:
        """The shape of one latent, of an image of the size that it was trained for."""
        config = self.model.config
        sides = sides_of(config, type(self.model).__name__)
        height, width = (side // self.pixels for side in sides)
        return int(config.latent_channels), height, width

    def forward(self, z: Tensor) -> Tensor:
        """Return images of latents ``[N, C, H, W]``; those of a VQModel are quantized first."""
        return cast(Tensor, self.model.decode(z / self.scale + self.shift, return_dict=False)[0])

    def places(self, path: str, prefix: str) -> dict[str, Place]:
        """Return where layers are, by name: ``mid``, ``up.0``, ``up.1``, ...

        Args:
            path: The path of this module in the network, with a dot behind it.
            prefix: What layers' names begin with.
        """
        blocks = f"{path}model.decoder"
        ups = range(len(self.model.decoder.up_blocks))
        return {
            f"{prefix}mid": Place(f"{blocks}.mid_block"),
            **{f"{prefix}up.{k}": Place(f"{blocks}.up_blocks.{k}") for k in ups},
        }
