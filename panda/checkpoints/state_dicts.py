"""Which part of a torch file is the generator: the shapes of the field's training code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from panda.checkpoints.pickles import Record, describe
from panda.errors import PandaError


def find_generator(content: Any) -> tuple[str, Mapping[str, Any]]:
    """Return the container's name and the records of the generator's tensors by name.

    Raises `PandaError` where the file has none of the known shapes.
    """
    if isinstance(content, dict):
        for container, find in _SHAPES.items():
            if (found := find(content)) is not None:
                if not all(isinstance(name, str) for name in found):
                    raise PandaError(f"a state dict of {describe(found)}, expected names")
                return container, found
    raise PandaError(
        f"a torch file of {describe(content)}, expected a state dict, or a dict with 'g_ema'"
        " (rosinality), or with 'generator' or 'models' (genforce)"
    )


def _rosinality(content: dict[Any, Any]) -> dict[Any, Any] | None:
    """``{"g_ema": state dict, "latent_avg": tensor, ...}``; training files have no latent_avg."""
    match content:
        case {"g_ema": dict() as found, "latent_avg": Record() as mean}:
            return {**found, "latent_avg": mean}
        case {"g_ema": dict() as found}:
            return found
    return None


def _genforce(content: dict[Any, Any]) -> dict[Any, Any] | None:
    """``{"generator_smooth": state dict, ...}``; training files have it under ``models``."""
    match content:
        case (
            {"models": {"generator_smooth": dict() as found}}
            | {"models": {"generator": dict() as found}}
            | {"generator_smooth": dict() as found}
            | {"generator": dict() as found}
        ):
            # Training on several GPUs wraps the network, which shows in every name.
            wrapped = all(str(name).startswith("module.") for name in found)
            return {name[7:]: value for name, value in found.items()} if wrapped else found
    return None


def _bare(content: dict[Any, Any]) -> dict[Any, Any] | None:
    """``{name: tensor}``, as `Module.state_dict` gives it."""
    tensors = all(
        isinstance(value, Record) and value.name.startswith("torch._utils._rebuild_")
        for value in content.values()
    )
    return content if content and tensors else None


_SHAPES = {"rosinality": _rosinality, "genforce": _genforce, "state-dict": _bare}
