"""NVIDIA's TensorFlow pickles: ProGAN, StyleGAN, StyleGAN2 and StyleGAN2-ADA.

A tuple (G, D, Gs) of networks, each a record with a state: constructor arguments, the source text
of its build function (ignored here), variables as NumPy arrays, and component networks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import torch

from panda.checkpoints.arrays import read_array
from panda.checkpoints.checkpoint import Checkpoint
from panda.checkpoints.pickles import Record, describe
from panda.checkpoints.plain import plain
from panda.errors import PandaError
from panda.files.budget import Budget

_NETWORKS = {"tfutil.Network", "dnnlib.tflib.network.Network"}


def is_nvidia_tensorflow(content: Any) -> bool:
    """Return whether the content of a pickle is a tuple of three networks."""
    return (
        isinstance(content, tuple | list)
        and len(content) == 3
        and all(isinstance(item, Record) and item.name in _NETWORKS for item in content)
    )


def read_nvidia_tensorflow(content: Any, budget: Budget) -> Checkpoint:
    """Return the variables of Gs, the average generator.

    Args:
        content: The content of the pickle.
        budget: What reading the network may cost.

    Returns:
        The variables, those of components under ``mapping/`` or ``synthesis/``; the config is the
        constructor arguments, ``version`` and ``build_func_name``.

    Raises:
        PandaError: A network or a variable is damaged, or all variables together cost more than the
            budget has left.
    """
    state, tensors = _state(content[2]), {}
    for name, value in _variables(state, budget):
        try:
            tensors[name] = torch.from_numpy(read_array(value, budget))
        except PandaError as error:
            raise PandaError(f"{name!r:.80} cannot be read: {error}") from error
    facts = {key: state.get(key) for key in ("version", "build_func_name")}
    return Checkpoint(
        "nvidia-tensorflow", tensors, plain({**state["static_kwargs"], **facts}, budget)
    )


def _variables(state: dict[str, Any], budget: Budget) -> Iterator[tuple[str, Any]]:
    """Yield the names and records of a network's variables and its components'."""
    yield from _pairs(state, "", budget)
    for name, component in (state.get("components") or {}).items():
        yield from _pairs(_state(component), f"{name}/", budget)


def _pairs(state: dict[str, Any], prefix: str, budget: Budget) -> Iterator[tuple[str, Any]]:
    """Yield the names and records of a network's variables; many components may share them."""
    budget.spend(names=1 + len(state["variables"]))
    for item in state["variables"]:
        match item:
            case (str() as name, value):
                budget.spend_text(prefix, name)
                yield prefix + name, value
            case _:
                raise PandaError(f"an NVIDIA pickle with {describe(item)} where a variable belongs")


def _state(network: Any) -> dict[str, Any]:
    """Return the state of a network, checked."""
    match network:
        case Record(name, _, state) if name in _NETWORKS:
            match state:
                case {"variables": list(), "static_kwargs": dict()} if isinstance(
                    state.get("components"), dict | None
                ):
                    return cast("dict[str, Any]", state)
    raise PandaError("an NVIDIA pickle whose network has no variables and static_kwargs")
