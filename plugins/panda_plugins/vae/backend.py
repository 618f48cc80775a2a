"""A variational autoencoder as a `Generator`: its decoder, resumed with the modulation by z."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from panda.generators.contract import Latents, Layer, State
from panda.generators.latent_spaces import ZSpace
from panda.generators.seeds import seeded_normal

from ..common.latents import refuse_label
from .network import FIRST, Network


class VAE(ZSpace):
    """The decoder, with latents ``z`` ``[N, Z]``.

    A state's ``rest`` is the condition ``[N, D]``.
    """

    def __init__(self, network: Network, device: torch.device, dtype: torch.dtype) -> None:
        self.network = network.to(device, dtype)
        self.device = device
        sides = [FIRST << number for number in range(len(network.channels))]
        self.layers = {
            f"decode.{side}": Layer(f"decode.{side}", channels, side, side)
            for side, channels in zip(sides, network.channels, strict=True)
        }
        self.size = sides[-1], sides[-1]

    def sample(
        self, seeds: Sequence[int], *, truncation: float = 1.0, label: int | None = None
    ) -> Latents:
        """See `Generator.sample`; z is multiplied by the truncation."""
        refuse_label(self.name, label)
        z = torch.from_numpy(seeded_normal(seeds, self.network.z_dim))
        return Latents(tuple(seeds), {"z": truncation * z.to(self.network.input.weight)})

    def z_weight(self) -> Tensor:
        """See `ZSpace.z_weight`: the maps to the first features and to the modulation."""
        first = self.network.mapping[0]
        assert isinstance(first, nn.Linear)
        return torch.cat([self.network.input.weight, first.weight])

    def head(self, latents: Latents, layer: str) -> State:
        """See `Generator.head`."""
        x, condition = self.network.begin(latents.tensors["z"])
        stop = self._index(layer) + 1
        return State(self.network.stages.run(x, 0, stop, condition), condition)

    def advance(self, state: State, layer: str, to_layer: str) -> State:
        """See `Generator.advance`."""
        start, stop = (self._index(name) + 1 for name in (layer, to_layer))
        return state.with_features(self.network.stages.run(state.x, start, stop, state.rest))

    def tail(self, state: State, layer: str) -> Tensor:
        """See `Generator.tail`."""
        stages = self.network.stages
        x = stages.run(state.x, self._index(layer) + 1, len(self.layers), state.rest)
        return stages.to_image(x)

    def forward(self, latents: Latents) -> Tensor:
        """See `Generator.forward`."""
        image: Tensor = self.network(latents.tensors["z"])
        return image

    def _index(self, layer: str) -> int:
        return list(self.layers).index(self.layer(layer).name)
