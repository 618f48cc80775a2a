"""What a plugin says of a kind of network: which checkpoints are of it, and how to build it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING

from panda.errors import PandaError, nearest
from panda.generators.options import Option, check_declared

if TYPE_CHECKING:
    from panda.checkpoints.checkpoint import Checkpoint
    from panda.generators.contract import Generator

    Build = Callable[..., Generator]
    """Of a `Checkpoint`, a device, a dtype and the declared options."""

OWN = "own"
"""The name of the engine that every architecture has: the plugin's implementation."""


@dataclass(frozen=True)
class Architecture:
    """A kind of network that can be built from a checkpoint file.

    Attributes:
        recognizes: Whether a checkpoint is of this architecture, by names and shapes of its
            tensors, never by the name of the file.
        build: Build the generator from a checkpoint, on a device and in a dtype; an architecture
            with ``options`` gives it each of them by its name, too.
        engines: Other implementations of the same network, by name.
        options: With what a file can be opened, as in ``FILE?demodulate=false``, by name.
    """

    recognizes: Callable[[Checkpoint], bool]
    build: Build
    engines: Mapping[str, Build] = field(default_factory=dict)
    options: Mapping[str, Option] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the names of options."""
        check_declared(self.options)

    def engine(self, name: str) -> Build:
        """Return ``build`` or another engine; raises `PandaError` with the nearest names."""
        known = {OWN: self.build, **self.engines}
        if name not in known:
            raise PandaError(
                f"there is no engine {name!r} for this architecture{nearest(name, known)}"
            )
        return known[name]

    @staticmethod
    def of_module(name: str, **engines: str) -> Architecture:
        """Return the architecture of a module, which is imported by the first call.

        Args:
            name: A module with the functions ``recognizes`` and ``from_checkpoint``.
            **engines: Modules with another ``from_checkpoint``, by the name of the engine.
        """

        def build(module: str) -> Build:
            return lambda *file, **options: import_module(module).from_checkpoint(*file, **options)

        return Architecture(
            lambda checkpoint: bool(import_module(name).recognizes(checkpoint)),
            build(name),
            {engine: build(module) for engine, module in engines.items()},
        )
