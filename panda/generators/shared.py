"""Generators that several threads may use, with the latent spaces that they have."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from torch import Tensor

from panda.generators.contract import Generator, Latents
from panda.generators.latent_spaces import WSpace, ZSpace
from panda.generators.wrapper import Wrapper


class Shared(Wrapper):
    """A generator that several threads may use: a lock lets one call run at a time."""

    def __init__(self, inner: Generator) -> None:
        self.lock = threading.Lock()
        super().__init__(inner, self.lock)


class SharedW(Shared, WSpace):
    """A shared `WSpace`."""

    inner: WSpace

    @property
    def w_mean(self) -> Tensor:
        """See `WSpace.w_mean`."""
        return self.inner.w_mean

    @property
    def slots(self) -> tuple[str, ...]:
        """See `WSpace.slots`."""
        return self.inner.slots

    def map(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """See `WSpace.map`."""
        with self._lock:
            return self.inner.map(z, label)

    def style_maps(self) -> Mapping[str, tuple[Tensor, Tensor]]:
        """See `WSpace.style_maps`."""
        return self.inner.style_maps()

    def w_plus(self, latents: Latents) -> Tensor:
        """See `WSpace.w_plus`."""
        return self.inner.w_plus(latents)

    def with_w(self, latents: Latents, w: Tensor) -> Latents:
        """See `WSpace.with_w`."""
        return self.inner.with_w(latents, w)


class SharedZ(Shared, ZSpace):
    """A shared `ZSpace`."""

    inner: ZSpace

    def z_weight(self) -> Tensor:
        """See `ZSpace.z_weight`."""
        return self.inner.z_weight()

    def with_z(self, latents: Latents, z: Tensor) -> Latents:
        """See `ZSpace.with_z`."""
        return self.inner.with_z(latents, z)


def share(generator: Generator) -> Shared:
    """Return the generator for several threads, with the latent space that it has."""
    if isinstance(generator, WSpace):
        return SharedW(generator)
    return SharedZ(generator) if isinstance(generator, ZSpace) else Shared(generator)
