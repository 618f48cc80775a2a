"""NVIDIA's PyTorch pickles: stylegan2-ada-pytorch and stylegan3 (also its StyleGAN2).

A dict with G, D and G_ema. Each network is a record of `_reconstruct_persistent_obj` on one dict:
``module_src`` (source text that upstream executes and we ignore) and ``state``, the attributes of
the torch module. The format is that of torch_utils/persistence.py in both repositories.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from panda.checkpoints.checkpoint import Checkpoint
from panda.checkpoints.pickles import Record, describe
from panda.checkpoints.plain import plain
from panda.checkpoints.storages import Storage, read_tensors
from panda.checkpoints.torch_files import read_legacy
from panda.errors import PandaError
from panda.files.budget import Budget


def is_nvidia_pytorch(content: Any) -> bool:
    """Return whether the content of a pickle is a dict of networks."""
    return isinstance(content, dict) and "G_ema" in content


def read_nvidia_pytorch(content: dict[str, Any], budget: Budget) -> Checkpoint:
    """Return the parameters and buffers of G_ema; the config is its constructor arguments.

    Args:
        content: The content of the pickle.
        budget: What reading the network may cost.

    Raises:
        PandaError: G_ema is not a network, a tensor of it is damaged, or it costs more than the
            budget has left.
    """
    network = content["G_ema"]
    arguments = plain(_table(_state(network, "G_ema"), "_init_kwargs", budget), budget)
    tensors = read_tensors(_entries(network, "", set(), budget), _Streams(budget).load, budget)
    return Checkpoint("nvidia-pytorch", tensors, arguments)


def _entries(module: Any, prefix: str, seen: set[int], budget: Budget) -> Iterator[tuple[str, Any]]:
    """Yield names and records as `Module.state_dict` would; many modules may share a table."""
    state = _state(module, prefix.removesuffix(".") or "G_ema")
    if id(module) in seen:
        raise PandaError(f"module {prefix!r} is there twice, or inside itself")
    seen.add(id(module))
    excluded = _excluded(state, budget)
    for group in ("_parameters", "_buffers"):
        for name, value in _table(state, group, budget).items():
            if value is not None and name not in excluded:
                budget.spend_text(prefix, name)
                yield prefix + name, value
    for name, child in _table(state, "_modules", budget).items():
        if child is not None:
            budget.spend(names=1)
            budget.spend_text(prefix, name)
            yield from _entries(child, f"{prefix}{name}.", seen, budget)


def _excluded(state: dict[str, Any], budget: Budget) -> set[str]:
    """Return the names of the buffers that `Module.state_dict` leaves out."""
    names = state.get("_non_persistent_buffers_set") or []
    if not isinstance(names, list):
        raise PandaError(f"an NVIDIA pickle with {describe(names)} where a set of names belongs")
    budget.spend(steps=len(names))
    return {name for name in names if isinstance(name, str)}


def _state(module: Any, name: str) -> dict[str, Any]:
    """Return the attributes of a network or module."""
    match module:
        case Record(
            "torch_utils.persistence._reconstruct_persistent_obj",
            ({"type": "class", "state": dict() as state},),
        ):
            return state
    raise PandaError(f"an NVIDIA pickle whose {name} is {describe(module)}, expected a network")


def _table(state: dict[str, Any], group: str, budget: Budget) -> dict[str, Any]:
    """Return an attribute that must be a dict with text keys."""
    table = state.get(group)
    budget.spend(steps=len(table) if isinstance(table, dict) else 0)
    if not isinstance(table, dict) or not all(isinstance(name, str) for name in table):
        raise PandaError(
            f"an NVIDIA pickle where {group} is {describe(table)}, expected a dict of names"
        )
    return table


class _Streams:
    """Storages that are embedded as torch files of their own; many records may name the same."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._storages: dict[int, tuple[Storage, bytes]] = {}

    def load(self, place: Any) -> tuple[Storage, bytes]:
        """Return the storage of a record."""
        match place:
            case Record("torch.storage._load_from_bytes", (bytes() as data,)):
                if id(data) not in self._storages:
                    content, load = read_legacy(io.BytesIO(data), self._budget)
                    self._storages[id(data)] = load(content)
                return self._storages[id(data)]
        raise PandaError(f"{describe(place)} where a storage belongs")
