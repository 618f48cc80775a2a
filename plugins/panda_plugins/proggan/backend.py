"""ProGAN behind the contract: unconditional, and a layer's features are all that a tail needs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from panda.errors import PandaError
from panda.generators.contract import Latents, Layer, State
from panda.generators.latent_spaces import ZSpace
from panda.generators.seeds import seeded_normal

from .network import Conv, Network


class ProGAN(ZSpace):
    """Latents are ``z`` ``[N, z]``.

    Layer ``R.conv2`` is G[:log2 R + 1] of PandA's released code. The state's rest is None; in a
    half-grown network it is the running image, once there is one.
    """

    usual_truncation = 1.0

    def __init__(self, network: Network, device: torch.device, dtype: torch.dtype) -> None:
        self.network = network.to(device, dtype)
        self.network.prepare()
        self.names = [f"{4 << k // 2}.conv{k % 2 + 1}" for k in range(self.network.depth)]
        self.layers = {
            name: Layer(name, self.network.channels[k // 2], 4 << k // 2, 4 << k // 2)
            for k, name in enumerate(self.names)
        }
        self.resolution = 2 << len(self.network.channels)
        self.device = device

    def sample(
        self, seeds: Sequence[int], *, truncation: float = 1.0, label: int | None = None
    ) -> Latents:
        """See `Generator.sample`; raises `PandaError` for any truncation, which z has not."""
        if label is not None:
            raise PandaError(f"{self.name} has no classes, but label {label} was given")
        if truncation != 1:
            raise PandaError(
                f"{self.name} has no truncation, but {truncation} was given: its z is normalized,"
                " so only 1 has a meaning"
            )
        z = seeded_normal(seeds, self.network.latent)
        return Latents(tuple(seeds), {"z": torch.from_numpy(z).to(self.network.lod)})

    def z_weight(self) -> Tensor:
        """See `ZSpace.z_weight`: the first convolution sees a single pixel."""
        first = self.network.get_submodule("layer0")
        assert isinstance(first, Conv)
        return first.weight.permute(0, 2, 3, 1).flatten(0, 2)

    def head(self, latents: Latents, layer: str) -> State:
        """See `Generator.head`."""
        stop = self.names.index(self.layer(layer).name) + 1
        return State(*self.network.run(self.network.input(latents.tensors["z"]), None, 0, stop))

    def tail(self, state: State, layer: str) -> Tensor:
        """See `Generator.tail`."""
        start = self.names.index(self.layer(layer).name) + 1
        return self.network.to_image(
            *self.network.run(state.x, state.rest, start, self.network.depth)
        )

    def forward(self, latents: Latents) -> Tensor:
        """See `Generator.forward`."""
        image: Tensor = self.network(latents.tensors["z"])
        return image
