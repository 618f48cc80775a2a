"""StyleGAN3 as a `Generator`: a w for each layer, which is all that a resumed pass needs."""

from __future__ import annotations

import torch
from torch import Tensor

from panda.generators.contract import Latents, Layer, State
from panda.shapes import as_size

from ..common.layers import scaled
from ..common.mapped import MappedGenerator
from .network import Network


class StyleGAN3(MappedGenerator):
    """StyleGAN3; the first w transforms the Fourier features, the last styles the image.

    Layer l of `layers` is G[:l] of PandA's released code: ``input``, the Fourier features, is layer
    0, and NVIDIA's layers follow. A state's ``rest`` is ``w`` ``[N, num_ws, w_dim]``.
    """

    network: Network

    def __init__(self, network: Network, device: torch.device, dtype: torch.dtype) -> None:
        self.network = network.to(device, dtype)
        self.network.prepare()
        config = network.config
        self.size, self.channels = as_size(config.resolution), config.channels[-1]
        self.device = device
        self.layers = {layer.name: layer for layer in layers_of(network)}

    def style_maps(self) -> dict[str, tuple[Tensor, Tensor]]:
        """See `WSpace.style_maps`; the transform of the Fourier features is not a style."""
        affines = [layer.affine for layer in self.network.synthesis.layers[:-1]]
        return dict(zip(self.slots[1:-1], map(scaled, affines), strict=True))

    def head(self, latents: Latents, layer: str) -> State:
        """See `Generator.head`."""
        w, synthesis = latents.tensors["w"], self.network.synthesis
        return State(synthesis.run(synthesis.input(w[:, 0]), w, 0, self._index(layer)), w)

    def advance(self, state: State, layer: str, to_layer: str) -> State:
        """See `Generator.advance`."""
        start, stop = self._index(layer), self._index(to_layer)
        return State(self.network.synthesis.run(state.x, state.rest, start, stop), state.rest)

    def tail(self, state: State, layer: str) -> Tensor:
        """See `Generator.tail`."""
        return self.network.synthesis.finish(state.x, state.rest, self._index(layer))

    def forward(self, latents: Latents) -> Tensor:
        """See `Generator.forward`."""
        image: Tensor = self.network.synthesis(latents.tensors["w"])
        return image


def layers_of(network: Network) -> list[Layer]:
    """List the Fourier features and all layers but the last, whose output is the image."""
    synthesis, config = network.synthesis, network.config
    names = ["input", *synthesis.names[:-1]]
    rates = [synthesis.input.rate, *(layer.design.target for layer in synthesis.layers)]
    channels = [config.channels_in, *config.channels]
    return [
        Layer(name, width, rate.size, rate.size, rate.margin)
        for name, width, rate in zip(names, channels, rates, strict=False)
    ]
