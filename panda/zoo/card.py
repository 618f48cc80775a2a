"""What is known of a generator before it is loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING

from panda.generator import Generator, Layer
from panda.zoo.weights import Weights

if TYPE_CHECKING:
    import torch

    from panda.checkpoints.checkpoint import Checkpoint


@dataclass(frozen=True)
class Architecture:
    """A kind of network that can be built from a checkpoint file.

    ``recognizes`` goes by names and shapes of tensors, never by the name of the file.
    """

    recognizes: Callable[[Checkpoint], bool]
    build: Callable[[Checkpoint, torch.device, torch.dtype], Generator]

    @staticmethod
    def of_module(name: str) -> Architecture:
        """A module's functions ``recognizes`` and ``from_checkpoint``, imported when called."""
        return Architecture(
            lambda checkpoint: bool(import_module(name).recognizes(checkpoint)),
            lambda *checkpoint: import_module(name).from_checkpoint(*checkpoint),
        )


@dataclass(frozen=True)
class Card:
    """Cheap facts of one generator, and the lazy call that builds it."""

    architecture: str
    dataset: str
    resolution: int
    license: str
    origin: str
    load: Callable[[torch.device, torch.dtype], Generator] = field(repr=False)
    weights: Weights | None = None
    layers: tuple[Layer, ...] = ()
    notes: str = ""
