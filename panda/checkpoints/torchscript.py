"""TorchScript archives, which `torch.jit.save` writes: only their tensors, never their program.

The pickle contains a tree of modules. Each is an object of a class that the archive defines under
``__torch__``; its state is the dict of its attributes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from panda.checkpoints.pickles import TORCHSCRIPT, Record
from panda.errors import PandaError


def is_torchscript(content: Any) -> bool:
    """Return whether the content of a pickle is a module of a TorchScript archive."""
    return isinstance(content, Record) and content.name.startswith(TORCHSCRIPT)


def torchscript_tensors(content: Record) -> Mapping[str, Any]:
    """Return the records of all tensors by dotted names, as `Module.state_dict` does.

    Raises:
        PandaError: A module is contained twice, or inside itself.
    """
    return dict(_entries(content, "", set()))


def _entries(module: Record, prefix: str, seen: set[int]) -> Iterator[tuple[str, Any]]:
    """Yield the names and records of a module's tensors."""
    if id(module) in seen:
        raise PandaError(f"module {prefix!r:.80} is there twice, or inside itself")
    seen.add(id(module))
    for name, value in (module.state if isinstance(module.state, dict) else {}).items():
        if is_torchscript(value):
            yield from _entries(value, f"{prefix}{name}.", seen)
        elif isinstance(value, Record) and value.name.startswith("torch._utils._rebuild_"):
            yield f"{prefix}{name}", value
