"""MobileStyleGAN behind the contract: one w for all layers, no skip image, fixed noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from panda.checkpoints.strict import load_strictly
from panda.errors import PandaError
from panda.generator import Latents, State
from panda.latent_spaces import WSpace

from . import CHANNELS, LAYERS
from .network import Block, Network

SINGLE = next(index for index, layer in enumerate(LAYERS) if layer.height == 128)
"""The first layer of large maps."""


class MobileStyleGAN(WSpace):
    """Latents are ``z`` and truncated ``w``, both ``[N, 512]``; the state's rest is ``w``.

    The network was made for one w. Each layer, and the image, takes one of its own all the same:
    w+ is ``[N, 16, 512]``, and its entries are the first ones of StyleGAN2's, layer by layer.
    """

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
        w = self.w_mean.lerp(self.map(z), truncation)
        return Latents(tuple(seeds), {"z": z, "w": w})

    @property
    def w_mean(self) -> Tensor:
        """See `WSpace.w_mean`."""
        return self.network.w_mean

    @property
    def slots(self) -> tuple[str, ...]:
        """See `WSpace.slots`."""
        return (*self.layers, "image")

    def map(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """See `WSpace.map`; raises `PandaError` for labels."""
        if label is not None:
            raise PandaError(f"{self.name} has no classes, but labels were given")
        w: Tensor = self.network.mapping(z)
        return w

    def style_maps(self) -> dict[str, tuple[Tensor, Tensor]]:
        """See `WSpace.style_maps`; where a layer upsamples, the scales before that come first."""
        groups = [[self.network.input.style]]
        for block in self.network.blocks:
            assert isinstance(block, Block)
            groups += [[block.up.style, block.conv1.style], [block.conv2.style]]
        return {
            layer: (torch.cat([s.weight for s in group]), torch.cat([s.bias for s in group]))
            for layer, group in zip(self.layers, groups, strict=True)
        }

    def head(self, latents: Latents, layer: str) -> State:
        """See `Generator.head`."""
        w = latents.tensors["w"]
        return State(self._run(self._input(w), w, 1, self._index(layer) + 1), w)

    def tail(self, state: State, layer: str) -> Tensor:
        """See `Generator.tail`."""
        return self._run(state.x, state.rest, self._index(layer) + 1, len(LAYERS) + 1)

    def forward(self, latents: Latents) -> Tensor:
        """See `Generator.forward`."""
        w = latents.tensors["w"]
        return self._run(self._input(w), w, 1, len(LAYERS) + 1)

    def _input(self, w: Tensor) -> Tensor:
        x: Tensor = self.network.input(_slot(w, 0))
        return x

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
            x = self._step(x, _slot(w, index), index)
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


def _slot(w: Tensor, index: int) -> Tensor:
    """The w of one layer, of ``[N, 512]`` for all or ``[N, 16, 512 or more]``."""
    return w if w.ndim == 2 else w[:, index]
