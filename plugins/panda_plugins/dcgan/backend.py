"""DCGAN as a `Generator`: resumed from a layer's features alone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from panda.generators.contract import Latents, State
from panda.generators.latent_spaces import ZSpace
from panda.generators.seeds import seeded_normal
from panda.shapes import as_size

from ..common import pyramid
from ..common.latents import one_hot
from .network import Network


class DCGAN(ZSpace):
    """DCGAN, with latents ``z`` ``[N, Z]`` and, if conditional, one-hot ``label``.

    A state's ``rest`` is None.
    """

    usual_truncation = 1.0

    def __init__(
        self, network: Network, classes: int, device: torch.device, dtype: torch.dtype
    ) -> None:
        self.network, self.classes = network.to(device, dtype), classes
        self.layers = {
            layer.name: layer
            for layer in pyramid.layers(network.channels, first=("conv",), later=("conv",))
        }
        self.size = as_size(4 << len(network.channels))
        self.channels = network.steps[-1].channels[1]
        self.device = device

    def sample(
        self, seeds: Sequence[int], *, truncation: float = 1.0, label: int | None = None
    ) -> Latents:
        """See `Generator.sample`; z is multiplied by the truncation.

        A conditional generator draws a missing label from the seed.

        Raises:
            PandaError: There is no such label.
        """
        weight = self._first.weight
        z = seeded_normal(seeds, len(weight) - self.classes)
        tensors = {"z": truncation * torch.from_numpy(z).to(weight)}
        hot = one_hot(self.name, self.classes, seeds, label, like=tensors["z"])
        return Latents(tuple(seeds), tensors if hot is None else {**tensors, "label": hot})

    def z_weight(self) -> Tensor:
        """See `ZSpace.z_weight`: the first convolution reads a single pixel."""
        weight = self._first.weight
        return weight[: len(weight) - self.classes].flatten(1).T

    def head(self, latents: Latents, layer: str) -> State:
        """See `Generator.head`."""
        x = self._input(latents)[:, :, None, None]
        return State(self.network.run(x, 0, self._index(layer) + 1))

    def advance(self, state: State, layer: str, to_layer: str) -> State:
        """See `Generator.advance`."""
        return State(self.network.run(state.x, self._index(layer) + 1, self._index(to_layer) + 1))

    def tail(self, state: State, layer: str) -> Tensor:
        """See `Generator.tail`."""
        x = self.network.run(state.x, self._index(layer) + 1, len(self.layers))
        return self.network.to_image(x)

    def forward(self, latents: Latents) -> Tensor:
        """See `Generator.forward`."""
        image: Tensor = self.network(self._input(latents))
        return image

    @property
    def _first(self) -> nn.ConvTranspose2d:
        first = self.network.get_submodule(str(self.network.steps[0].conv))
        assert isinstance(first, nn.ConvTranspose2d)
        return first

    def _input(self, latents: Latents) -> Tensor:
        z, label = latents.tensors["z"], latents.tensors.get("label")
        return z if label is None else torch.cat([z, label], 1)

    def _index(self, layer: str) -> int:
        return list(self.layers).index(self.layer(layer).name)
