"""StyleGAN as a `Generator`: a w for each layer, and three kinds of noise."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from panda.generators.contract import Latents, State

from ..common.layers import scaled
from ..common.mapped import MappedGenerator
from ..common.noise import Noise
from . import layers
from .network import Network


@dataclass(frozen=True)
class Rest:
    """What a resumed pass needs besides the features.

    Attributes:
        w: ``[N, num_ws, w_dim]``.
        noise: The noise that the remaining layers add.
    """

    w: Tensor
    noise: Noise


class StyleGAN(MappedGenerator):
    """StyleGAN; a state's ``rest`` is a `Rest`, w and the noise."""

    network: Network

    noise = "const"
    """``const`` adds the stored noise maps, ``random`` maps drawn from the seeds, ``none`` none."""

    def __init__(self, network: Network, device: torch.device, dtype: torch.dtype) -> None:
        network.eval().requires_grad_(False).to(device, dtype).prepare()
        self.network = network
        self.layers = {layer.name: layer for layer in layers(network.config.channels)}
        self.resolution = network.config.resolution
        self.device = device

    @property
    def w_mean(self) -> Tensor:
        """See `WSpace.w_mean`."""
        return self.network.truncation.w_avg

    def style_maps(self) -> dict[str, tuple[Tensor, Tensor]]:
        """See `WSpace.style_maps`; a layer's styles are its scales minus one, then its shifts."""
        styles = [layer.style for layer in self.network.synthesis.layers]
        return dict(zip(self.slots, map(scaled, styles), strict=True))

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

    def _step(self, x: Tensor | None, rest: Rest, index: int) -> Tensor:
        """Compute the features of layer ``index`` from those of the layer before."""
        layer = self.network.synthesis.layers[index]
        features: Tensor = layer(
            x, rest.w[:, index], rest.noise.draw(index, layer.apply_noise.noise)
        )
        return features
