"""Weights inside an installed package: nothing is fetched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from panda.errors import PandaError


@dataclass(frozen=True)
class Shipped:
    """A safetensors file that is installed with a plugin."""

    file: Path

    @property
    def description(self) -> str:
        """Path of the file."""
        return str(self.file)

    @contextmanager
    def fetch(self, local: Path | None = None) -> Iterator[Path]:
        """Refuse to fetch: only a file that is missing or damaged would be.

        Raises:
            PandaError: Always.
        """
        if local is not None:
            raise PandaError(f"{self.file.stem} comes with its package and takes no other file")
        raise PandaError(f"{self.file} is missing or damaged; install its package again")
        yield  # makes this a context manager, as every source's is

    def tidy(self) -> None:
        """Do nothing: nothing was downloaded."""
