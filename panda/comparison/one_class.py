"""A class-conditional generator held to one class: to all others, a generator without classes."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from panda.errors import PandaError
from panda.generator import Generator, Latents, State


class OneClass(Generator):
    """``generator`` with every sample of class ``label``; called ``name@label``."""

    def __init__(self, generator: Generator, label: int) -> None:
        generator.sample([0], label=label)  # says what is wrong with the class
        self.whole, self.label = generator, label
        self.name = f"{generator.name}@{label}"
        self.layers, self.resolution = generator.layers, generator.resolution
        self.device, self.usual_truncation = generator.device, generator.usual_truncation

    def sample(
        self, seeds: Sequence[int], *, truncation: float = 1.0, label: int | None = None
    ) -> Latents:
        """See `Generator.sample`; raises `PandaError` for another class."""
        if label not in (None, self.label):
            raise PandaError(f"{self.name} is held to its class, but label {label} was given")
        return self.whole.sample(seeds, truncation=truncation, label=self.label)

    def head(self, latents: Latents, layer: str) -> State:
        """See `Generator.head`."""
        return self.whole.head(latents, layer)

    def tail(self, state: State, layer: str) -> torch.Tensor:
        """See `Generator.tail`."""
        return self.whole.tail(state, layer)

    def forward(self, latents: Latents) -> torch.Tensor:
        """See `Generator.forward`."""
        return self.whole.forward(latents)
