"""What every reader gives: plain tensors and plain facts, whatever the container was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Checkpoint:
    """The contents of one file.

    ``tensors`` keep the names of the file (CPU, the file's own dtypes). ``config`` is what the file
    says of its network (constructor arguments) as plain JSON-like data; it may be empty.
    """

    container: str
    tensors: Mapping[str, torch.Tensor]
    config: Mapping[str, Any] = field(default_factory=dict)
