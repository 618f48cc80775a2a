"""Weights that are fetched once, converted once, and read as safetensors ever after."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from panda.checkpoints.seal import Integrity, integrity
from panda.errors import MachineError, PandaError
from panda.files.cache import home, lock
from panda.files.writing import staging
from panda.generators.architecture import Architecture
from panda.weights.shipped import Shipped

if TYPE_CHECKING:
    import torch

    from panda.checkpoints.checkpoint import Checkpoint
    from panda.generators.contract import Generator


class Source(Protocol):
    """A place where files with weights come from."""

    @property
    def description(self) -> str:
        """What is fetched, in words for the user."""

    def fetch(self, local: Path | None = None) -> AbstractContextManager[Path]:
        """Give a checkpoint file, or a folder of such files, checked; afterwards it is gone.

        ``local`` is the user's own copy, taken instead of a download. Raises `PandaError`.
        """

    def tidy(self) -> None:
        """Remove what is left of downloads, once their weights are cached."""


@dataclass(frozen=True)
class Weights:
    """One generator's weights: where they come from, and the network that they must fit.

    ``convert`` reads the fetched file or folder where `read_checkpoint` alone does not do.
    """

    name: str
    source: Source
    architecture: Architecture = field(repr=False)
    resolution: int
    convert: Callable[[Path], Checkpoint] | None = field(default=None, repr=False)

    @property
    def path(self) -> Path:
        """Where the weights lie: in their package, or converted in the cache."""
        if isinstance(self.source, Shipped):
            return self.source.file
        return home() / "generators" / f"{self.name}.safetensors"

    @property
    def cached(self) -> bool:
        """Whether loading needs no network."""
        return self.path.is_file()

    def fetch(self, local: Path | None = None) -> None:
        """Put the weights into the cache, unless they are there whole; a ``local`` copy goes in.

        Raises `PandaError` where they cannot be had, fail their checksum, are damaged, or do not
        make this generator; the cache is then as it was.
        """
        if self._whole() and local is None:
            self.source.tidy()
            return
        import torch

        from panda.checkpoints.read import read_checkpoint
        from panda.checkpoints.tensors import save_checkpoint

        with lock():
            if self._whole() and local is None:
                return  # another process has fetched them meanwhile
            with self.source.fetch(local) as path, staging(self.path) as work:
                try:
                    save_checkpoint(work, (self.convert or read_checkpoint)(path))
                    self._build(work, torch.device("cpu"), torch.float32)
                except MachineError:
                    raise
                except PandaError as error:
                    origin, reason = local or self.source.description, str(error)
                    reason = reason.removeprefix(f"{path}: ")
                    raise PandaError(f"{origin} is not {self.name}: {reason}") from error

    def load(self, device: torch.device, dtype: torch.dtype) -> Generator:
        """Build the generator, fetching its weights first where they are not cached.

        Raises `PandaError` as `fetch` does, and where the cached file is not the generator.
        """
        self.fetch()
        try:
            return self._build(self.path, device, dtype)
        except PandaError as error:
            raise PandaError(f"{self.path}: {error}; delete it to have it made again") from error

    def _whole(self) -> bool:
        """Whether the cached file holds what was written."""
        return integrity(self.path) in (Integrity.GOOD, Integrity.UNKNOWN)

    def _build(self, path: Path, device: torch.device, dtype: torch.dtype) -> Generator:
        from panda.checkpoints.tensors import read_safetensors

        checkpoint = read_safetensors(path)
        if not self.architecture.recognizes(checkpoint):
            raise PandaError("its tensors are those of another architecture")
        generator = self.architecture.build(checkpoint, device, dtype)
        if generator.resolution != self.resolution:
            raise PandaError(
                f"it makes images of {generator.resolution} pixels, expected {self.resolution}"
            )
        return generator
