"""What generators that wrap another generator have in common."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from panda.generators.contract import Generator, Latents, State
from panda.generators.labels import Label

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class Wrapper(Generator):
    """A generator that passes every call on to ``inner``, under ``lock`` where there is one."""

    def __init__(self, inner: Generator, lock: AbstractContextManager[Any] | None = None) -> None:
        self.inner, self.lock = inner, nullcontext() if lock is None else lock
        self.name, self.layers, self.excused = inner.name, inner.layers, inner.excused
        self.size, self.channels, self.device = inner.size, inner.channels, inner.device
        self.usual_truncation, self.truncates = inner.usual_truncation, inner.truncates
        self.labels = inner.labels

    @property
    def digest(self) -> str:
        """See `Generator.digest`."""
        return self.inner.digest

    def to(self, device: str | torch.device) -> Wrapper:
        """See `Generator.to`; ``inner`` moves too."""
        with self.lock:
            super().to(device)
        return self

    def sample(
        self, seeds: Sequence[int], *, truncation: float = 1.0, label: Label | None = None
    ) -> Latents:
        """See `Generator.sample`."""
        with self.lock:
            return self.inner.sample(seeds, truncation=truncation, label=label)

    def check_latents(self, latents: Latents) -> None:
        """See `Generator.check_latents`; ``inner`` drew them."""
        self.inner.check_latents(latents)

    def head(self, latents: Latents, layer: str) -> State:
        """See `Generator.head`."""
        with self.lock:
            return self.inner.head(latents, layer)

    def advance(self, state: State, layer: str, to_layer: str) -> State:
        """See `Generator.advance`."""
        with self.lock:
            return self.inner.advance(state, layer, to_layer)

    @property
    def can_advance(self) -> bool:
        """See `Generator.can_advance`."""
        return self.inner.can_advance

    def tail(self, state: State, layer: str) -> Tensor:
        """See `Generator.tail`."""
        with self.lock:
            return self.inner.tail(state, layer)

    def forward(self, latents: Latents) -> Tensor:
        """See `Generator.forward`."""
        with self.lock:
            return self.inner.forward(latents)
