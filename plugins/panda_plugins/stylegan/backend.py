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
        config = network.config
        self.layers = {layer.name: layer for layer in layers(config.channels, config.const)}
        self.size, self.channels = config.size, config.image_channels
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
        return State(self._run(None, rest, 0, self._index(layer) + 1), rest)

    def advance(self, state: State, layer: str, to_layer: str) -> State:
        """See `Generator.advance`."""
        start, stop = self._index(layer) + 1, self._index(to_layer) + 1
        return State(self._run(state.x, state.rest, start, stop), state.rest)

    def tail(self, state: State, layer: str) -> Tensor:
        """See `Generator.tail`."""
        x = self._run(state.x, state.rest, self._index(layer) + 1, len(self.layers))
        image: Tensor = self.network.synthesis.outputs[-1](x)
        return image

    def forward(self, latents: Latents) -> Tensor:
        """See `Generator.forward`."""
        noise = Noise(self.noise, latents.seeds)
        image: Tensor = self.network.synthesis(latents.tensors["w"], noise)
        return image

    def _run(self, x: Tensor | None, rest: Rest, start: int, stop: int) -> Tensor:
        """Run layers ``start`` to ``stop - 1``, from the features before them."""
        for index in range(start, stop):
            layer = self.network.synthesis.layers[index]
            x = layer(x, rest.w[:, index], rest.noise.draw(index, layer.apply_noise.noise))
        assert x is not None
        return x
