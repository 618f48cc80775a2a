"""StyleGAN behind the contract: w per layer, three kinds of noise, nothing else to carry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from panda.generator import Generator, Latents, State, seeded_normal

from ..common.latents import check_labels, one_hot, truncate
from ..common.noise import Noise
from . import layers
from .network import Network


@dataclass(frozen=True)
class Rest:
    """What a resumed network needs beside the features: w ``[N, num_layers, w_dim]`` and noise."""

    w: Tensor
    noise: Noise


class StyleGAN(Generator):
    """Latents are ``z`` ``[N, z_dim]`` and ``w`` ``[N, num_layers, w_dim]``, truncated.

    Only ``w`` is read when images are made: ``Latents(seeds, {"w": w})`` synthesizes from any W+.
    """

    noise = "const"
    """``const`` adds the stored noise maps, ``random`` draws maps from the seeds, ``none`` none."""

    cutoff: int | None = None
    """How many of the first entries of w truncation moves; None is all of them."""

    def __init__(self, network: Network, device: torch.device, dtype: torch.dtype) -> None:
        network.eval().requires_grad_(False).to(device, dtype).prepare()
        self.network = network
        self.layers = {layer.name: layer for layer in layers(network.config.channels)}
        self.resolution = network.config.resolution
        self.device = device

    def sample(
        self, seeds: Sequence[int], *, truncation: float = 1.0, label: int | None = None
    ) -> Latents:
        """See `Generator.sample`. Without a label, a conditional generator draws it by the seed."""
        config, mean = self.network.config, self.network.truncation.w_avg
        z = torch.from_numpy(seeded_normal(seeds, config.z_dim)).to(mean)
        w = self.map(z, one_hot(self.name, config.classes, seeds, label, mean))
        return Latents(tuple(seeds), {"z": z, "w": self.truncate(w, truncation)})

    def map(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """Map z ``[N, z_dim]`` and one-hot labels ``[N, classes]`` to w ``[N, w_dim]``.

        Raises `PandaError` where labels are missing, or given and not known.
        """
        check_labels(self.name, self.network.config.classes, label)
        w: Tensor = self.network.mapping(z, label)
        return w

    def truncate(self, w: Tensor, truncation: float) -> Tensor:
        """Give every layer its w ``[N, num_layers, w_dim]``, moved to the mean up to `cutoff`."""
        mean, count = self.network.truncation.w_avg, self.network.config.num_layers
        return truncate(w, mean, truncation, count, self.cutoff)

    def style_weights(self) -> dict[str, Tensor]:
        """For each layer the matrix ``[2 C, w_dim]`` that turns its w into scales and shifts."""
        return {
            name: layer.style.weight * layer.style.gain
            for name, layer in zip(self.layers, self.network.synthesis.layers, strict=True)
        }

    def head(self, latents: Latents, layer: str) -> State:
        """See `Generator.head`."""
        rest = Rest(latents.tensors["w"], Noise(self.noise, latents.seeds))
        x = self._step(None, rest, 0)
        for index in range(1, self._index(layer) + 1):
            x = self._step(x, rest, index)
        return State(x, rest)

    def tail(self, state: State, layer: str) -> Tensor:
        """See `Generator.tail`."""
        x = state.x
        for index in range(self._index(layer) + 1, len(self.layers)):
            x = self._step(x, state.rest, index)
        image: Tensor = self.network.synthesis.outputs[-1](x)
        return image

    def forward(self, latents: Latents) -> Tensor:
        """See `Generator.forward`."""
        noise = Noise(self.noise, latents.seeds)
        image: Tensor = self.network.synthesis(latents.tensors["w"], noise)
        return image

    def _index(self, layer: str) -> int:
        return list(self.layers).index(self.layer(layer).name)

    def _step(self, x: Tensor | None, rest: Rest, index: int) -> Tensor:
        """From the features of layer ``index - 1`` to those of layer ``index``."""
        layer = self.network.synthesis.layers[index]
        features: Tensor = layer(
            x, rest.w[:, index], rest.noise.draw(index, layer.apply_noise.noise)
        )
        return features
