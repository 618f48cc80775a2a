"""MobileStyleGAN behind the contract: one w for all layers, no skip image, fixed noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from panda.checkpoints.strict import load_strictly
from panda.errors import PandaError
from panda.generator import Generator, Latents, State

from . import CHANNELS, LAYERS
from .network import Block, Network


class MobileStyleGAN(Generator):
    """Latents are ``z`` and truncated ``w``, both ``[N, 512]``; the state's rest is ``w``."""

    def __init__(
        self, tensors: Mapping[str, Tensor], device: torch.device, dtype: torch.dtype
    ) -> None:
        self.network = Network(list(CHANNELS.values()))
        load_strictly(self.network, tensors, "MobileStyleGAN")
        self.network.to(device, dtype)
        self.layers = {layer.name: layer for layer in LAYERS}
        self.resolution = 2 * LAYERS[-1].height
        self.device = device

    def sample(
        self, seeds: Sequence[int], *, truncation: float = 1.0, label: int | None = None
    ) -> Latents:
        """See `Generator.sample`."""
        if label is not None:
            raise PandaError(f"{self.name} has no classes, but label {label} was given")
        # As the authors' code draws: torch's generator on the CPU, one seed a sample.
        rows = [torch.randn(512, generator=torch.Generator().manual_seed(s)) for s in seeds]
        z = torch.stack(rows).to(self.network.w_mean)
        w = self.network.w_mean.lerp(self.network.mapping(z), truncation)
        return Latents(tuple(seeds), {"z": z, "w": w})

    def head(self, latents: Latents, layer: str) -> State:
        """See `Generator.head`."""
        index = LAYERS.index(self.layer(layer))
        w = latents.tensors["w"]
        x = self.network.input(w)
        for step in range(1, index + 1):
            x = self._step(x, w, step)
        return State(x, w)

    def tail(self, state: State, layer: str) -> Tensor:
        """See `Generator.tail`."""
        x, w = state.x, state.rest
        for step in range(LAYERS.index(self.layer(layer)) + 1, len(LAYERS)):
            x = self._step(x, w, step)
        image: Tensor = self.network.to_image(x, w)
        return image

    def forward(self, latents: Latents) -> Tensor:
        """See `Generator.forward`."""
        image: Tensor = self.network(latents.tensors["w"])
        return image

    def _step(self, x: Tensor, w: Tensor, index: int) -> Tensor:
        """From the features of layer ``index - 1`` to those of layer ``index``."""
        block = self.network.blocks[(index - 1) // 2]
        assert isinstance(block, Block)
        features: Tensor = block.conv1(block.up(x, w), w) if index % 2 else block.conv2(x, w)
        return features
