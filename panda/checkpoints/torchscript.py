"""TorchScript archives, which `torch.jit.save` writes: only their tensors, never their program.

The pickle contains a tree of modules. Each is an object of a class that the archive defines under
``__torch__``; its state is the dict of its attributes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from panda.checkpoints.pickles import TORCHSCRIPT, Record
from panda.errors import PandaError
from panda.files.budget import Budget


def is_torchscript(content: Any) -> bool:
    """Return whether the content of a pickle is a module of a TorchScript archive."""
    return isinstance(content, Record) and content.name.startswith(TORCHSCRIPT)


def torchscript_tensors(
    module: Record, budget: Budget, prefix: str = "", seen: set[int] | None = None
) -> Iterator[tuple[str, Any]]:
    """Yield the dotted names and the records of all tensors, as `Module.state_dict` does.

    Args:
        module: The root, or a module inside.
        budget: What reading them may cost; many modules may have the same attributes.
        prefix: Names of the modules around this one.
        seen: Identities of the modules so far.

    Raises:
        PandaError: A module is contained twice, or inside itself, or all together cost more than
            the budget has left.
    """
    seen = set() if seen is None else seen
    if id(module) in seen:
        raise PandaError(f"module {prefix!r:.80} is there twice, or inside itself")
    seen.add(id(module))
    attributes = module.state if isinstance(module.state, dict) else {}
    budget.spend(steps=len(attributes))
    for name, value in attributes.items():
        if is_torchscript(value):
            budget.spend(names=1)
            budget.spend_text(prefix, str(name))
            yield from torchscript_tensors(value, budget, f"{prefix}{name}.", seen)
        elif isinstance(value, Record) and value.name.startswith("torch._utils._rebuild_"):
            budget.spend_text(prefix, str(name))
            yield f"{prefix}{name}", value
