"""ProGAN as a `Generator`: resumed from a layer's features alone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from panda.generators.contract import Latents, State
from panda.generators.latent_spaces import ZSpace
from panda.generators.seeds import seeded_normal
from panda.shapes import as_size

from ..common.latents import one_hot
from . import layers
from .network import Conv, Network


class ProGAN(ZSpace):
    """ProGAN, with latents ``z`` ``[N, z_dim]`` and, if conditional, one-hot ``label``.

    Layer ``R.conv2`` is G[:log2 R + 1] of PandA's released code. A state's ``rest`` is None; in the
    last block of a half-grown network it is the image of the block before.
    """

    truncates = False
    """Its z is normalized, so that only its direction counts."""

    def __init__(self, network: Network, device: torch.device, dtype: torch.dtype) -> None:
        self.network = network.to(device, dtype)
        self.network.prepare()
        grown = self.network.channels[: self.network.last_block + 1]
        self.layers = {layer.name: layer for layer in layers(grown)}
        self.size = as_size(2 << len(self.network.channels))
        self.channels = self.network.image_channels
        self.device = device

    def sample(
        self, seeds: Sequence[int], *, truncation: float = 1.0, label: int | None = None
    ) -> Latents:
        """See `Generator.sample`; a conditional generator draws a missing label from the seed.

        Raises:
            PandaError: There is no such label.
        """
        z = torch.from_numpy(seeded_normal(seeds, self.network.latent)).to(self.network.lod)
        hot = one_hot(self.name, self.network.classes, seeds, label, like=z)
        return Latents(tuple(seeds), {"z": z} if hot is None else {"z": z, "label": hot})

    def z_weight(self) -> Tensor:
        """See `ZSpace.z_weight`: the first convolution reads a single pixel."""
        first = self.network.get_submodule("layer0")
        assert isinstance(first, Conv)
        return first.weight[:, : self.network.latent].permute(0, 2, 3, 1).flatten(0, 2)

    def head(self, latents: Latents, layer: str) -> State:
        """See `Generator.head`."""
        x = self.network.input(latents.tensors["z"], latents.tensors.get("label"))
        return State(*self.network.run(x, None, 0, self._index(layer) + 1))

    def advance(self, state: State, layer: str, to_layer: str) -> State:
        """See `Generator.advance`."""
        start, stop = self._index(layer) + 1, self._index(to_layer) + 1
        return State(*self.network.run(state.x, state.rest, start, stop))

    def tail(self, state: State, layer: str) -> Tensor:
        """See `Generator.tail`."""
        start = self._index(layer) + 1
        return self.network.to_image(
            *self.network.run(state.x, state.rest, start, self.network.depth)
        )

    def forward(self, latents: Latents) -> Tensor:
        """See `Generator.forward`."""
        image: Tensor = self.network(latents.tensors["z"], latents.tensors.get("label"))
        return image

    def _index(self, layer: str) -> int:
        return list(self.layers).index(self.layer(layer).name)
