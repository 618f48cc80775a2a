"""Generators that several sessions use at once, whatever capabilities they have."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from torch import Tensor

from panda.generator import Generator, Latents, State
from panda.latent_spaces import WSpace, ZSpace


class Shared(Generator):
    """A generator that several threads use: each of its calls is alone."""

    def __init__(self, generator: Generator) -> None:
        self.own, self.lock = generator, threading.Lock()
        self.name, self.layers = generator.name, generator.layers
        self.resolution, self.device = generator.resolution, generator.device
        self.usual_truncation = generator.usual_truncation

    def sample(
        self, seeds: Sequence[int], *, truncation: float = 1.0, label: int | None = None
    ) -> Latents:
        """See `Generator.sample`."""
        with self.lock:
            return self.own.sample(seeds, truncation=truncation, label=label)

    def head(self, latents: Latents, layer: str) -> State:
        """See `Generator.head`."""
        with self.lock:
            return self.own.head(latents, layer)

    def tail(self, state: State, layer: str) -> Tensor:
        """See `Generator.tail`."""
        with self.lock:
            return self.own.tail(state, layer)

    def forward(self, latents: Latents) -> Tensor:
        """See `Generator.forward`."""
        with self.lock:
            return self.own.forward(latents)


class SharedW(Shared, WSpace):
    """One with w, which it maps as its own does."""

    own: WSpace

    @property
    def w_mean(self) -> Tensor:
        """See `WSpace.w_mean`."""
        return self.own.w_mean

    @property
    def slots(self) -> tuple[str, ...]:
        """See `WSpace.slots`."""
        return self.own.slots

    def map(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """See `WSpace.map`."""
        with self.lock:
            return self.own.map(z, label)

    def style_maps(self) -> Mapping[str, tuple[Tensor, Tensor]]:
        """See `WSpace.style_maps`."""
        return self.own.style_maps()

    def w_plus(self, latents: Latents) -> Tensor:
        """See `WSpace.w_plus`."""
        return self.own.w_plus(latents)

    def with_w(self, latents: Latents, w: Tensor) -> Latents:
        """See `WSpace.with_w`."""
        return self.own.with_w(latents, w)


class SharedZ(Shared, ZSpace):
    """One whose z can be moved, as that of its own can."""

    own: ZSpace

    def z_weight(self) -> Tensor:
        """See `ZSpace.z_weight`."""
        return self.own.z_weight()

    def with_z(self, latents: Latents, z: Tensor) -> Latents:
        """See `ZSpace.with_z`."""
        return self.own.with_z(latents, z)


def share(generator: Generator) -> Shared:
    """The generator for several threads, with the latent space that it has."""
    if isinstance(generator, WSpace):
        return SharedW(generator)
    return SharedZ(generator) if isinstance(generator, ZSpace) else Shared(generator)
