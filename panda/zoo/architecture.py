"""What a plugin knows of a kind of network: whether a checkpoint is one, and how it is built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from panda.checkpoints.checkpoint import Checkpoint
    from panda.generator import Generator


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
