"""NVIDIA's PyTorch pickles: stylegan2-ada-pytorch and stylegan3 (also its StyleGAN2).

A dict with G, D and G_ema. Each network is a record of `_reconstruct_persistent_obj` on one dict:
``module_src`` (source text that upstream executes and we ignore) and ``state``, the attributes of
the torch module. The format is that of torch_utils/persistence.py in both repositories.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Iterator
from typing import Any

from panda.checkpoints.checkpoint import Checkpoint
from panda.checkpoints.pickles import LONGEST, Record, describe
from panda.checkpoints.plain import plain
from panda.checkpoints.storages import Storage, read_tensors
from panda.checkpoints.torch_files import read_legacy
from panda.errors import PandaError


def is_nvidia_pytorch(content: Any) -> bool:
    """Return whether the content of a pickle is a dict of networks."""
    return isinstance(content, dict) and "G_ema" in content


def read_nvidia_pytorch(content: dict[str, Any], file_size: int) -> Checkpoint:
    """Return the parameters and buffers of G_ema; the config is its constructor arguments.

    Args:
        content: The content of the pickle.
        file_size: Bytes of the file.

    Raises:
        PandaError: G_ema is not a network, or a tensor of it is damaged.
    """
    network = content["G_ema"]
    records = dict(_entries(network, "", set()))
    arguments = plain(_table(_state(network, "G_ema"), "_init_kwargs"))
    steps = iter(range(LONGEST))
    # Tensors may share a storage, and many may name the same stream: each is read once.
    load = functools.cache(lambda place: _load(place, steps))
    return Checkpoint("nvidia-pytorch", read_tensors(records, load, file_size), arguments)


def _entries(module: Any, prefix: str, seen: set[int]) -> Iterator[tuple[str, Any]]:
    """Yield names and records as `Module.state_dict` would."""
    state = _state(module, prefix.removesuffix(".") or "G_ema")
    if id(module) in seen:
        raise PandaError(f"module {prefix!r} is there twice, or inside itself")
    seen.add(id(module))
    excluded = state.get("_non_persistent_buffers_set") or []
    for group in ("_parameters", "_buffers"):
        for name, value in _table(state, group).items():
            if value is not None and name not in excluded:
                yield prefix + name, value
    for name, child in _table(state, "_modules").items():
        if child is not None:
            yield from _entries(child, f"{prefix}{name}.", seen)


def _state(module: Any, name: str) -> dict[str, Any]:
    """Return the attributes of a network or module."""
    match module:
        case Record(
            "torch_utils.persistence._reconstruct_persistent_obj",
            ({"type": "class", "state": dict() as state},),
        ):
            return state
    raise PandaError(f"an NVIDIA pickle whose {name} is {describe(module)}, expected a network")


def _table(state: dict[str, Any], group: str) -> dict[str, Any]:
    """Return an attribute that must be a dict with text keys."""
    table = state.get(group)
    if not isinstance(table, dict) or not all(isinstance(name, str) for name in table):
        raise PandaError(
            f"an NVIDIA pickle where {group} is {describe(table)}, expected a dict of names"
        )
    return table


def _load(place: Any, steps: Iterator[object]) -> tuple[Storage, bytes]:
    """Return a storage that is embedded as a torch file of its own."""
    match place:
        case Record("torch.storage._load_from_bytes", (bytes() as data,)):
            content, load = read_legacy(io.BytesIO(data), steps)
            return load(content)
    raise PandaError(f"{describe(place)} where a storage belongs")
