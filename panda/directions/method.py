"""The interface of all methods: fit to a generator, then list and apply the edits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from panda.directions.changes import Change
from panda.errors import PandaError, nearest
from panda.generators.contract import Generator, Latents
from panda.metrics.regions import Regions


@dataclass(frozen=True, eq=False)
class Fitted:
    """A method fitted to one generator.

    Attributes:
        method: The name of the method.
        changes: Its edits by name, best first where the method ranks them.
        settings: Those of the method, as plain values.
    """

    method: str
    changes: Mapping[str, Change]
    settings: Mapping[str, Any] = field(default_factory=dict)

    def edits(self) -> list[str]:
        """Return the names of all edits."""
        return list(self.changes)

    def apply(
        self, generator: Generator, latents: Latents, edit: str, strength: float | Tensor
    ) -> Tensor:
        """Return edited images ``[N, channels, H, W]``.

        Args:
            generator: The generator that the method was fitted to.
            latents: N samples.
            edit: The name of an edit.
            strength: One number, or one for each sample ``[N]``.

        Raises:
            PandaError: Where there is no such edit.
        """
        if edit not in self.changes:
            raise PandaError(f"{self.method} has no edit {edit!r}{nearest(edit, self.changes)}")
        strengths = torch.as_tensor(strength, dtype=torch.float32).expand(len(latents))
        return self.changes[edit].start(generator, latents)(strengths)


@dataclass(frozen=True)
class Method(ABC):
    """A method with its settings, by default those of its authors.

    Attributes:
        name: What it is called in commands and tables.
        source: The paper.
        supervised: Whether face parsing, which also measures edits, says what they are to do.
    """

    name: ClassVar[str]
    source: ClassVar[str]
    supervised: ClassVar[bool] = False

    @abstractmethod
    def changes(self, generator: Generator, regions: Regions) -> Mapping[str, Change]:
        """Find the edits and return them by name; `fit` calls this."""

    def aim(self, edit: str) -> str | None:
        """Return the measure that an edit was made for, by the edit's name; None without one."""
        return None

    def fit(self, generator: Generator, regions: Regions) -> Fitted:
        """Fit the method to a generator.

        Args:
            generator: Any generator with the latent space that the method needs.
            regions: Where StyleSpace, LowRankGAN and ReSeFa look for edits; others ignore it.

        Raises:
            PandaError: Where the generator lacks the latent space.
        """
        settings = {
            name: value if isinstance(value, int | float | str) else str(value)
            for name, value in asdict(self).items()
        }
        return Fitted(self.name, self.changes(generator, regions), settings)
