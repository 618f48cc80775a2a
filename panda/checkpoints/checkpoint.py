"""What every reader returns: plain tensors and plain facts, whatever the container."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from panda.files.budget import Budget

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False, repr=False)
class Checkpoint:
    """The content of a checkpoint file or folder.

    Attributes:
        container: Name of the container, such as ``"safetensors"``.
        tensors: The tensors by the names in the file, on the CPU, with the dtypes in the file.
        config: What the file says of its network (constructor arguments) as plain, JSON-like data;
            it may be empty.
        options: What the user says of the network where the file does not; plugins give it
            precedence. See ``panda convert --set``.
        digest: That of `panda.checkpoints.digest`, where the file has it; else empty.
        budget: What is left for those who go on with the tensors.
        source: The file or the generator that it is of, for messages; empty where none is known.
    """

    container: str
    tensors: Mapping[str, torch.Tensor]
    config: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    digest: str = ""
    budget: Budget = field(default_factory=Budget)
    source: str = ""

    def __repr__(self) -> str:
        facts = ", ".join(self.config) or "nothing"
        return f"Checkpoint({self.container}, {len(self.tensors)} tensors, config: {facts})"
