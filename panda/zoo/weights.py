"""Weights that are fetched once, converted once, and read as safetensors ever after."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from panda.zoo.cache import home

if TYPE_CHECKING:
    import torch


class Source(Protocol):
    """A pinned place where an archive with weights comes from."""

    @property
    def description(self) -> str:
        """What is fetched, in words for the user."""

    def fetch(self) -> AbstractContextManager[Mapping[str, bytes]]:
        """Fetch, check the checksum, and give the wanted members of the archive as bytes."""


@dataclass(frozen=True)
class Weights:
    """One generator's weights: where they come from and how they become plain tensors.

    ``convert`` gets the members of the archive as bytes and returns ``{name: tensor}``.
    """

    name: str
    source: Source
    convert: Callable[[Mapping[str, bytes]], dict[str, torch.Tensor]] = field(repr=False)

    @property
    def path(self) -> Path:
        """Where the converted weights lie once they are cached."""
        return home() / "generators" / f"{self.name}.safetensors"

    @property
    def cached(self) -> bool:
        """Whether loading needs no network."""
        return self.path.is_file()

    def load(self) -> dict[str, torch.Tensor]:
        """Return the tensors (CPU), fetching and converting them first where they are not cached.

        Raises `PandaError` where they cannot be fetched, fail their checksum, or are damaged.
        """
        from panda.checkpoints.tensors import load_tensors, save_tensors

        if not self.cached:
            with self.source.fetch() as members:
                tensors = self.convert(members)
            save_tensors(self.path, tensors, {"source": self.source.description})
        return load_tensors(self.path)
