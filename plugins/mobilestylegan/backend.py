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

SINGLE = next(index for index, layer in enumerate(LAYERS) if layer.height == 128)
"""The first layer of large maps."""


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
        w = latents.tensors["w"]
        return State(self._run(self.network.input(w), w, 1, self._index(layer) + 1), w)

    def tail(self, state: State, layer: str) -> Tensor:
        """See `Generator.tail`."""
        return self._run(state.x, state.rest, self._index(layer) + 1, len(LAYERS) + 1)

    def forward(self, latents: Latents) -> Tensor:
        """See `Generator.forward`."""
        w = latents.tensors["w"]
        return self._run(self.network.input(w), w, 1, len(LAYERS) + 1)

    def _index(self, layer: str) -> int:
        return LAYERS.index(self.layer(layer))

    def _run(self, x: Tensor, w: Tensor, start: int, stop: int) -> Tensor:
        """Steps ``start`` to ``stop - 1``: step k makes layer k, the one after the last the image.

        On a CPU large maps are made one sample at a time, in memory that is used again and again:
        a batch of them leaves every cache and costs a page fault for each page.
        """
        if len(x) > 1 and x.device.type == "cpu" and stop > SINGLE:
            x = self._run(x, w, start, SINGLE)
            rows = zip(torch.split(x, 1), torch.split(w, 1), strict=True)
            return torch.cat([self._run(*row, max(start, SINGLE), stop) for row in rows])
        for index in range(start, stop):
            x = self._step(x, w, index)
        return x

    def _step(self, x: Tensor, w: Tensor, index: int) -> Tensor:
        """From the features of layer ``index - 1`` to those of layer ``index``."""
        if index == len(LAYERS):
            image: Tensor = self.network.to_image(x, w)
            return image
        block = self.network.blocks[(index - 1) // 2]
        assert isinstance(block, Block)
        features: Tensor = block.conv1(block.up(x, w), w) if index % 2 else block.conv2(x, w)
        return features
