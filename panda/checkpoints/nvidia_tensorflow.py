"""NVIDIA's TensorFlow pickles: ProGAN, StyleGAN, StyleGAN2 and StyleGAN2-ADA.

A tuple (G, D, Gs) of networks, each a record with a state: constructor arguments, the source text
of its build function (ignored here), variables as numpy arrays, and component networks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from panda.checkpoints.arrays import read_array
from panda.checkpoints.checkpoint import Checkpoint
from panda.checkpoints.pickles import Record, describe
from panda.checkpoints.plain import plain
from panda.checkpoints.storages import SHARING
from panda.errors import PandaError

_NETWORKS = {"tfutil.Network", "dnnlib.tflib.network.Network"}


def is_nvidia_tensorflow(content: Any) -> bool:
    """Whether a pickle's content is a tuple of three networks."""
    return (
        isinstance(content, tuple | list)
        and len(content) == 3
        and all(isinstance(item, Record) and item.name in _NETWORKS for item in content)
    )


def read_nvidia_tensorflow(content: Any, file_size: int) -> Checkpoint:
    """Return the variables of Gs, those of a component under ``mapping/`` or ``synthesis/``.

    The config is its constructor arguments, ``version`` and ``build_func_name``. Raises
    `PandaError` where a network or one of its variables is damaged, or where all of them want much
    more memory than the file could hold.
    """
    state = _state(content[2])
    left, tensors = SHARING * file_size, {}
    for name, value in _variables(state):
        try:
            tensors[name] = torch.from_numpy(read_array(value, left))
            left -= tensors[name].nbytes
        except PandaError as error:
            raise PandaError(f"{name!r:.80} cannot be read: {error}") from error
    facts = {key: state.get(key) for key in ("version", "build_func_name")}
    return Checkpoint("nvidia-tensorflow", tensors, plain({**state["static_kwargs"], **facts}))


def _variables(state: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    yield from _pairs(state)
    for prefix, component in (state.get("components") or {}).items():
        for name, value in _pairs(_state(component)):
            yield f"{prefix}/{name}", value


def _pairs(state: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for item in state["variables"]:
        match item:
            case (str() as name, value):
                yield name, value
            case _:
                raise PandaError(f"an NVIDIA pickle with {describe(item)} where a variable belongs")


def _state(network: Any) -> dict[str, Any]:
    match network:
        case Record(name, _, state) if name in _NETWORKS:
            match state:
                case {"variables": list(), "static_kwargs": dict()} if isinstance(
                    state.get("components"), dict | None
                ):
                    return dict(state)
    raise PandaError("an NVIDIA pickle whose network has no variables and static_kwargs")
