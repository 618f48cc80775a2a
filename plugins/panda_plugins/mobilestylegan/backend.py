"""MobileStyleGAN behind the contract: one w for all layers, no skip image, fixed noise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from panda.checkpoints.strict import load_strictly
from panda.errors import PandaError
from panda.generators.contract import Latents, State
from panda.generators.latent_spaces import WSpace
from panda.threads import ahead, over

from . import CHANNELS, LAYERS
from .network import Block, Network, Step, Strips, Upsample

LARGE = next(index for index, layer in enumerate(LAYERS) if layer.height == 64)
"""The first layer of large maps, which are made in strips on a CPU."""

STRIPS = 16
"""In so many: the strips of a few layers fit in a core's caches, and are worth a call."""

THREADS = 4
"""Up to so many threads make fewer images than that size by size, a thread for each doubling from
`LARGE` on: there are four. More of them gain more inside the operations."""


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
        x = state.x.permute(0, 2, 3, 1).contiguous()
        return self._run(x, state.rest, self._index(layer) + 1, len(LAYERS) + 1)

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
        """From ``x [N, H, W, C]`` through steps ``start`` to ``stop - 1``: ``[N, C, H, W]``.

        Step k makes layer k, the one after the last the image. On a CPU samples go one by one, so
        that what they pass through stays in its caches.
        """
        numbered = [(index, step) for index in range(start, stop) for step in self._steps(index)]
        steps = [step for _, step in numbered]
        styles = [step.style(_slot(w, index)) for index, step in numbered]
        whole = sum(len(self._steps(index)) for index in range(start, LARGE))
        size = 1 if x.is_cpu else len(x)
        samples = list(zip(*(torch.split(rows, size) for rows in (x, *styles)), strict=True))
        threads = torch.get_num_threads()
        # What is recorded goes back through torch's own threads, and is to be added up in order.
        alone = not x.is_cpu or any(rows.requires_grad for rows in (x, *styles))
        piped = not alone and len(samples) < threads <= THREADS

        def run(sample: Sequence[Tensor]) -> list[Tensor]:
            strips: Strips = [sample[0]]
            for number, (step, style) in enumerate(zip(steps, sample[1:], strict=True)):
                if number >= whole and x.is_cpu:
                    if number == whole:
                        strips = _cut(strips)
                    elif piped and isinstance(step, Upsample):
                        strips = ahead(strips, number)
                strips = step(strips, style)
            if piped and len(steps) > whole:
                strips = ahead(strips, len(steps))
            return [strip.flatten(0, 1) for strip in strips]

        made = map(run, samples) if alone or len(samples) < threads else over(run, samples)
        joined = torch.cat([strip for strips in made for strip in strips])
        return joined.view(len(x), -1, *joined.shape[1:]).permute(0, 3, 1, 2)

    def _steps(self, index: int) -> tuple[Step, ...]:
        """What leads from the features of layer ``index - 1`` to those of layer ``index``."""
        if index == len(LAYERS):
            return (self.network.to_image,)
        block = self.network.blocks[(index - 1) // 2]
        assert isinstance(block, Block)
        return (block.up, block.conv1) if index % 2 else (block.conv2,)


def _cut(maps: Strips) -> Iterator[Tensor]:
    """Cut whole maps, of which there is one, into strips."""
    for x in maps:
        yield from torch.split(x, x.shape[1] // STRIPS, 1)


def _slot(w: Tensor, index: int) -> Tensor:
    """The w of one layer, of ``[N, 512]`` for all or ``[N, 16, 512 or more]``."""
    return w if w.ndim == 2 else w[:, index]
