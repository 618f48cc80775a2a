"""StyleGAN3 behind the contract: w per layer; features and w are all that a tail needs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from panda.generator import Generator, Latents, Layer, State, seeded_normal

from ..common.latents import check_labels, one_hot, truncate
from .network import Network


class StyleGAN3(Generator):
    """Latents are ``z`` ``[N, z_dim]`` and ``w`` ``[N, num_ws, w_dim]``, truncated.

    Only ``w`` is read when images are made: ``Latents(seeds, {"w": w})`` synthesizes from any W+.
    Layer l of `layers` is G[:l] of PandA's released code: ``input`` are the Fourier features, then
    come the layers under NVIDIA's names. The state's rest is ``w``.
    """

    cutoff: int | None = None
    """How many of the first entries of w truncation moves; None is all of them."""

    def __init__(self, network: Network, device: torch.device, dtype: torch.dtype) -> None:
        self.network = network.to(device, dtype)
        self.network.prepare()
        self.resolution = network.config.resolution
        self.device = device
        self.layers = {layer.name: layer for layer in layers_of(network)}

    def sample(
        self, seeds: Sequence[int], *, truncation: float = 1.0, label: int | None = None
    ) -> Latents:
        """See `Generator.sample`. Without a label, a conditional generator draws it by the seed."""
        config, w_avg = self.network.config, self.network.mapping.w_avg
        z = torch.from_numpy(seeded_normal(seeds, config.z_dim)).to(w_avg)
        labels = one_hot(self.name, config.classes, seeds, label, like=w_avg)
        return Latents(tuple(seeds), {"z": z, "w": self.truncate(self.map(z, labels), truncation)})

    def map(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """Map z ``[N, z_dim]`` and one-hot labels ``[N, classes]`` to w ``[N, w_dim]``."""
        check_labels(self.name, self.network.config.classes, label)
        w: Tensor = self.network.mapping(z, label)
        return w

    def truncate(self, w: Tensor, truncation: float) -> Tensor:
        """Give every place its w ``[N, num_ws, w_dim]``, moved towards the mean up to `cutoff`."""
        mean, layers = self.network.mapping.w_avg, self.network.config.num_ws
        return truncate(w, mean, truncation, layers, self.cutoff)

    def style_weights(self) -> dict[str, Tensor]:
        """For each layer the matrix ``[C_in, w_dim]`` that turns its w into style scales."""
        synthesis = self.network.synthesis
        affines = (layer.affine for layer in synthesis.layers[:-1])
        return {
            name: affine.weight * affine.gain
            for name, affine in zip(synthesis.names, affines, strict=False)
        }

    def head(self, latents: Latents, layer: str) -> State:
        """See `Generator.head`."""
        w, synthesis = latents.tensors["w"], self.network.synthesis
        return State(synthesis.run(synthesis.input(w[:, 0]), w, 0, self._index(layer)), w)

    def tail(self, state: State, layer: str) -> Tensor:
        """See `Generator.tail`."""
        return self.network.synthesis.finish(state.x, state.rest, self._index(layer))

    def forward(self, latents: Latents) -> Tensor:
        """See `Generator.forward`."""
        image: Tensor = self.network.synthesis(latents.tensors["w"])
        return image

    def _index(self, layer: str) -> int:
        return list(self.layers).index(self.layer(layer).name)


def layers_of(network: Network) -> list[Layer]:
    """The Fourier features and every layer's output but the last, which is the image."""
    synthesis, config = network.synthesis, network.config
    names = ["input", *synthesis.names[:-1]]
    rates = [synthesis.input.rate, *(layer.design.target for layer in synthesis.layers)]
    channels = [config.channels_in, *config.channels]
    return [
        Layer(name, width, rate.size, rate.size, rate.margin)
        for name, width, rate in zip(names, channels, rates, strict=False)
    ]
