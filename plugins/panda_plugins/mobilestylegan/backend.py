"""MobileStyleGAN as a `Generator`: the same w for all layers, no skip image, fixed noise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from panda.checkpoints.strict import load_strictly
from panda.errors import PandaError
from panda.generators.contract import Latents, State
from panda.generators.latent_spaces import WSpace
from panda.shapes import as_size
from panda.threads import map_threads, prefetch

from ..common.latents import refuse_label
from . import CHANNELS, LAYERS
from .network import Block, Network, Step, Strips, Upsample

LARGE = next(index for index, layer in enumerate(LAYERS) if layer.height == 64)
"""Index of the first layer with large maps, which a CPU computes in strips."""

STRIPS = 16
"""Strips of a large map: those of a few layers fit in a core's caches and are worth a call."""

THREADS = 4
"""The most threads that compute a few images as a pipeline, with a thread for each doubling from
`LARGE` on: there are four. More threads gain more inside the operations."""


class MobileStyleGAN(WSpace):
    """MobileStyleGAN, with latents ``z`` and truncated ``w``, both ``[N, 512]``.

    The network was trained with the same w for all layers, but each layer and the image also
    accept a separate w: w+ is ``[N, 16, 512]``, and its entries are the first 16 of StyleGAN2's,
    layer by layer. A state's ``rest`` is ``w``.
    """

    def __init__(
        self, tensors: Mapping[str, Tensor], device: torch.device, dtype: torch.dtype
    ) -> None:
        self.network = Network(list(CHANNELS.values()))
        load_strictly(self.network, tensors, "MobileStyleGAN")
        self.network.to(device, dtype)
        self.layers = {layer.name: layer for layer in LAYERS}
        self.size = as_size(2 * LAYERS[-1].height)
        self.device = device

    def sample(
        self, seeds: Sequence[int], *, truncation: float = 1.0, label: int | None = None
    ) -> Latents:
        """See `Generator.sample`; raises `PandaError` for labels."""
        refuse_label(self.name, label)
        # As the authors' code draws z: torch's generator on the CPU, seeded for each sample.
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
        """See `WSpace.style_maps`; an upsampling layer's styles start with those of `Upsample`."""
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

    def advance(self, state: State, layer: str, to_layer: str) -> State:
        """See `Generator.advance`."""
        start, stop = self._index(layer) + 1, self._index(to_layer) + 1
        return State(self._resume(state, start, stop), state.rest)

    def tail(self, state: State, layer: str) -> Tensor:
        """See `Generator.tail`."""
        return self._resume(state, self._index(layer) + 1, len(LAYERS) + 1)

    def forward(self, latents: Latents) -> Tensor:
        """See `Generator.forward`."""
        w = latents.tensors["w"]
        return self._run(self._input(w), w, 1, len(LAYERS) + 1)

    def _input(self, w: Tensor) -> Tensor:
        x: Tensor = self.network.input(_slot(w, 0))
        return x

    def _index(self, layer: str) -> int:
        return LAYERS.index(self.layer(layer))

    def _resume(self, state: State, start: int, stop: int) -> Tensor:
        """Run steps ``start`` to ``stop - 1`` from a state; return ``[N, C, H, W]``."""
        return self._run(state.x.permute(0, 2, 3, 1).contiguous(), state.rest, start, stop)

    def _run(self, x: Tensor, w: Tensor, start: int, stop: int) -> Tensor:
        """Run steps ``start`` to ``stop - 1`` from ``x`` ``[N, H, W, C]``; return ``[N, C, H, W]``.

        Step k computes layer k, and the step after the last layer computes the image. A CPU
        processes samples separately, so that intermediate results stay in its caches.
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
                        strips = prefetch(strips, number)
                strips = step(strips, style)
            if piped and len(steps) > whole:
                strips = prefetch(strips, len(steps))
            return [strip.flatten(0, 1) for strip in strips]

        made = map(run, samples) if alone or len(samples) < threads else map_threads(run, samples)
        joined = torch.cat([strip for strips in made for strip in strips])
        return joined.view(len(x), -1, *joined.shape[1:]).permute(0, 3, 1, 2)

    def _steps(self, index: int) -> tuple[Step, ...]:
        """Return the modules that compute the features of layer ``index`` from those before it."""
        if index == len(LAYERS):
            return (self.network.to_image,)
        block = self.network.blocks[(index - 1) // 2]
        assert isinstance(block, Block)
        return (block.up, block.conv1) if index % 2 else (block.conv2,)


def _cut(maps: Strips) -> Iterator[Tensor]:
    """Split the only map into strips."""
    for x in maps:
        yield from torch.split(x, x.shape[1] // STRIPS, 1)


def _slot(w: Tensor, index: int) -> Tensor:
    """Return the w of a layer, from w ``[N, 512]`` or w+ ``[N, 16, 512 or more]``."""
    return w if w.ndim == 2 else w[:, index]
