"""Weights that lie inside an installed package: nothing is fetched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from panda.errors import PandaError


@dataclass(frozen=True)
class Shipped:
    """A safetensors file that came with a plugin."""

    file: Path

    @property
    def description(self) -> str:
        """Where the file lies."""
        return str(self.file)

    @contextmanager
    def fetch(self, local: Path | None = None) -> Iterator[Path]:
        """Always refuses: a file that is whole is never fetched. Raises `PandaError`."""
        if local is not None:
            raise PandaError(f"{self.file.stem} comes with its package and takes no other file")
        raise PandaError(f"{self.file} is missing or damaged; install its package again")
        yield  # a context manager like every source's

    def tidy(self) -> None:
        """Nothing is left: nothing was downloaded."""
