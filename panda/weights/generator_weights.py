"""Weights of generators: fetched and converted once, then read as safetensors."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from panda.checkpoints.seal import Integrity, integrity
from panda.errors import MachineError, PandaError
from panda.files.cache import home, lock
from panda.files.writing import staging, sweep
from panda.generators.architecture import Architecture
from panda.generators.options import Value
from panda.shapes import OldResolution, as_channels, as_size, kind_of_images, takes_resolution
from panda.weights.shipped import Shipped

if TYPE_CHECKING:
    import torch

    from panda.checkpoints.checkpoint import Checkpoint
    from panda.generators.contract import Generator


class Source(Protocol):
    """A place from which files with weights come."""

    @property
    def description(self) -> str:
        """What is fetched, such as an address or a package, for messages to the user."""

    def fetch(self, local: Path | None = None) -> AbstractContextManager[Path]:
        """Yield a checkpoint file, or a folder of such files, which is removed afterwards.

        Args:
            local: The user's copy, which is used instead of a download.

        Raises:
            PandaError: The file cannot be fetched, or fails its checksum.
        """

    def tidy(self) -> None:
        """Remove what is left of downloads after their weights are cached."""


@dataclass(frozen=True)
class Weights:
    """The weights of a generator: where they come from, and the network that they must fit.

    Attributes:
        name: Their file name in the cache, which is the generator's.
        source: Where their checkpoint comes from.
        architecture: Builds the network, and recognizes its checkpoints.
        size: Height and width of the generator's images, in pixels; one number is the side of a
            square.
        convert: Reads the fetched file or folder where `read_checkpoint` is not enough.
        channels: Channels of the generator's images.
    """

    name: str
    source: Source
    architecture: Architecture = field(repr=False)
    size: tuple[int, int]
    convert: Callable[[Path], Checkpoint] | None = field(default=None, repr=False)
    channels: int = 3

    resolution = OldResolution()

    def __post_init__(self) -> None:
        """Take one number as a size, and check size and channels."""
        object.__setattr__(self, "size", as_size(self.size))
        object.__setattr__(self, "channels", as_channels(self.channels))

    @property
    def path(self) -> Path:
        """Path of the weights: in their package, or converted in the cache."""
        if isinstance(self.source, Shipped):
            return self.source.file
        return home() / "generators" / f"{self.name}.safetensors"

    @property
    def cached(self) -> bool:
        """Whether the weights are on this machine, so that loading them needs no network."""
        return self.path.is_file()

    def fetch(self, local: Path | None = None) -> None:
        """Fetch the weights into the cache, unless they are in it already, undamaged.

        Args:
            local: The user's copy of the files, which is cached in any case.

        Raises:
            PandaError: The weights cannot be fetched, fail their checksum, are damaged, or are not
                those of this generator; the cache stays as it was.
        """
        if self._is_whole() and local is None:
            self.source.tidy()
            if not isinstance(self.source, Shipped):
                sweep(self.path)  # after a kill at the last moment
            return
        import torch

        from panda.checkpoints.digest import with_digest
        from panda.checkpoints.read import read_checkpoint
        from panda.checkpoints.tensors import save_checkpoint

        with lock():
            if self._is_whole() and local is None:
                return  # another process has fetched them meanwhile
            with self.source.fetch(local) as path, staging(self.path) as work:
                try:
                    save_checkpoint(work, with_digest((self.convert or read_checkpoint)(path)))
                    self._build(work, torch.device("cpu"), torch.float32)
                except MachineError:
                    raise
                except PandaError as error:
                    origin, reason = local or self.source.description, str(error)
                    reason = reason.removeprefix(f"{path}: ")
                    raise PandaError(f"{origin} is not {self.name}: {reason}") from error

    def load(self, device: torch.device, dtype: torch.dtype, **options: Value) -> Generator:
        """Build the generator, fetching its weights first where they are not cached.

        Args:
            device: Where it runs.
            dtype: In what it computes.
            **options: The options of its architecture, where the card has them, too.

        Raises:
            PandaError: `fetch` raises it, or the cached file is not this generator.
        """
        self.fetch()
        try:
            return self._build(self.path, device, dtype, **options)
        except PandaError as error:
            raise PandaError(f"{self.path}: {error}; delete it to have it made again") from error

    def _is_whole(self) -> bool:
        """Return whether the cached file is as it was written."""
        return integrity(self.path) in (Integrity.GOOD, Integrity.UNKNOWN)

    def _build(
        self, path: Path, device: torch.device, dtype: torch.dtype, **options: Value
    ) -> Generator:
        from panda.checkpoints.digest import weights_digest
        from panda.checkpoints.tensors import read_safetensors

        checkpoint = replace(read_safetensors(path), source=self.name)
        if not self.architecture.recognizes(checkpoint):
            raise PandaError("its tensors are those of another architecture")
        known = {name: option.default for name, option in self.architecture.options.items()}
        generator = self.architecture.build(checkpoint, device, dtype, **{**known, **options})
        made = generator.size, generator.channels
        if made != (self.size, self.channels):
            expected = kind_of_images(self.size, self.channels)
            raise PandaError(f"it makes {kind_of_images(*made)}, expected {expected}")
        generator.digest_in_file = weights_digest(checkpoint)
        return generator


Weights.__init__ = takes_resolution(Weights.__init__)  # type: ignore[method-assign]
