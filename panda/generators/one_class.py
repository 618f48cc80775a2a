"""A class-conditional generator held to one class: to all others, a generator without classes."""

from __future__ import annotations

from collections.abc import Sequence

from panda.errors import PandaError
from panda.generators.contract import Generator, Latents
from panda.generators.wrapper import Wrapper


class OneClass(Wrapper):
    """``inner`` with every sample of class ``label``; called ``name@label``."""

    def __init__(self, inner: Generator, label: int) -> None:
        inner.sample([0], truncation=1.0, label=label)  # says what is wrong with the class
        super().__init__(inner)
        self.label, self.name = label, f"{inner.name}@{label}"

    def sample(
        self, seeds: Sequence[int], *, truncation: float = 1.0, label: int | None = None
    ) -> Latents:
        """See `Generator.sample`; raises `PandaError` for another class."""
        if label not in (None, self.label):
            raise PandaError(f"{self.name} is held to its class, but label {label} was given")
        return super().sample(seeds, truncation=truncation, label=self.label)
