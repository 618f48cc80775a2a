"""What every backend's tests share: goldens, and the conformance kit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from golden_files import kept, stored
from safetensors.torch import load_file
from torch import Tensor

from panda.checkpoints.checkpoint import Checkpoint
from panda.generators.contract import Generator, Latents
from panda.testing import check_generator

GOLDENS = Path(__file__).parent / "goldens"
CPU = torch.device("cpu")

FEATURES, IMAGES = 5e-5, 1e-4
"""How far features and images may be from the goldens."""


def golden(folder: str) -> dict[str, Tensor]:
    return load_file(GOLDENS / folder / "io.safetensors")


def facts(folder: str) -> Any:
    return json.loads((GOLDENS / folder / "config.json").read_text())


def checkpoint(folder: str, config: Any = None, **changes: Tensor | None) -> Checkpoint:
    """The golden's file as a reader gives it; ``changes`` replace tensors, or drop them (None)."""
    tensors = dict(stored(folder))
    for name, value in changes.items():
        tensors.pop(name, None)
        if value is not None:
            tensors[name] = value
    return Checkpoint(folder, tensors, config or {})


def error(a: Tensor, b: Tensor) -> float:
    """The largest difference of ``b``, which may be a golden, from ``a``."""
    a = kept(a, b)
    assert a.shape == b.shape, f"{tuple(a.shape)} is not {tuple(b.shape)}"
    return float((a.double() - b.double()).abs().max())


def edited(generator: Generator, latents: Latents, layer: str, io: Any, edit: str) -> Tensor:
    """The image with the golden's ``alpha * a p^T`` added to a layer's features."""
    state = generator.head(latents, layer)
    part = io[f"{edit}.alpha"] * io[f"{edit}.a"][:, None, None] * io[f"{edit}.p"]
    return generator.tail(state.with_features(state.x + part), layer)


def conform(load: Callable[[torch.device, torch.dtype], Generator]) -> None:
    """Run the whole conformance kit on a generator that no file holds."""
    problems = [result for result in check_generator(load) if result.status != "ok"]
    assert not problems


def full_size(name: str) -> Any:
    """The names and shapes of an official file."""
    return json.loads((GOLDENS / "state_dicts" / f"{name}.json").read_text())


def meta_checkpoint(name: str, *prefixes: str) -> Checkpoint:
    """An official file's tensors without values."""
    data = full_size(name)
    tensors = {
        key: torch.empty(shape, device="meta")
        for key, shape in data["tensors"].items()
        if not prefixes or key.startswith(prefixes)
    }
    return Checkpoint(name, tensors, data.get("kwargs") or data.get("config") or {})
