"""The one interface: a method is fitted to a generator and then lists and applies its edits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from panda.errors import PandaError, nearest
from panda.generators.contract import Generator, Latents
from panda.methods.changes import Change
from panda.metrics.regions import Regions


@dataclass(frozen=True)
class Fitted:
    """A method on one generator: its edits by name, best guess first where it has an order."""

    method: str
    changes: Mapping[str, Change]
    settings: Mapping[str, Any] = field(default_factory=dict)

    def edits(self) -> list[str]:
        """The names of all edits."""
        return list(self.changes)

    def apply(
        self, generator: Generator, latents: Latents, edit: str, strength: float | Tensor
    ) -> Tensor:
        """Return edited images ``[N, 3, R, R]``; ``strength`` is one number or one a sample.

        Raises `PandaError` for an edit that it has not.
        """
        if edit not in self.changes:
            raise PandaError(f"{self.method} has no edit {edit!r}{nearest(edit, self.changes)}")
        strengths = torch.as_tensor(strength, dtype=torch.float32).expand(len(latents))
        return self.changes[edit].start(generator, latents)(strengths)


@dataclass(frozen=True)
class Method(ABC):
    """A method with its settings, by default those of its authors."""

    name: ClassVar[str]
    source: ClassVar[str]
    """Where it comes from."""

    @abstractmethod
    def changes(self, generator: Generator, regions: Regions) -> Mapping[str, Change]:
        """Find the edits; see `fit`."""

    def fit(self, generator: Generator, regions: Regions) -> Fitted:
        """Fit to a generator. Some methods look for edits of ``regions``, the others at none.

        Raises `PandaError` with a sentence where the generator lacks the space that it needs.
        """
        settings = {
            k: v if isinstance(v, int | float | str) else str(v) for k, v in asdict(self).items()
        }
        return Fitted(self.name, self.changes(generator, regions), settings)
