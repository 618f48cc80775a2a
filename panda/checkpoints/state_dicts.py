"""Finds the generator in a torch file, in the layouts that public training code writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from panda.checkpoints.pickles import Record, describe
from panda.errors import PandaError


def find_generator(content: Any) -> tuple[str, Mapping[str, Any]]:
    """Find the generator in the content of a torch file.

    Returns:
        The name of the container, and the records of the generator's tensors by name.

    Raises:
        PandaError: The file has none of the known layouts.
    """
    if isinstance(content, dict):
        for container, find in _LAYOUTS.items():
            if (records := find(content)) is not None:
                if not all(isinstance(name, str) for name in records):
                    raise PandaError(f"a state dict of {describe(records)}, expected names")
                return container, records
    raise PandaError(
        f"a torch file of {describe(content)}, expected a state dict, or a dict with 'g_ema'"
        " (rosinality), or with 'generator' or 'models' (genforce)"
    )


def _rosinality(content: dict[Any, Any]) -> dict[Any, Any] | None:
    """Find ``{"g_ema": state dict, "latent_avg": tensor}``; training files have no latent_avg."""
    match content:
        case {"g_ema": dict() as records, "latent_avg": Record() as mean}:
            return {**records, "latent_avg": mean}
        case {"g_ema": dict() as records}:
            return records
    return None


def _genforce(content: dict[Any, Any]) -> dict[Any, Any] | None:
    """Find ``{"generator_smooth": state dict}``; training files have it under ``models``."""
    match content:
        case (
            {"models": {"generator_smooth": dict() as records}}
            | {"models": {"generator": dict() as records}}
            | {"generator_smooth": dict() as records}
            | {"generator": dict() as records}
        ):
            # Training on several GPUs wraps the network, which shows in every name.
            wrapped = all(str(name).startswith("module.") for name in records)
            return {name[7:]: value for name, value in records.items()} if wrapped else records
    return None


def _bare(content: dict[Any, Any]) -> dict[Any, Any] | None:
    """Find ``{name: tensor}``, as `Module.state_dict` returns it."""
    tensors = all(
        isinstance(value, Record) and value.name.startswith("torch._utils._rebuild_")
        for value in content.values()
    )
    return content if content and tensors else None


_LAYOUTS = {"rosinality": _rosinality, "genforce": _genforce, "state-dict": _bare}
