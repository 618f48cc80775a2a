"""What every backend's tests share: goldens, and what must hold of any generator."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from golden_files import kept, stored
from safetensors.torch import load_file
from torch import Tensor, nn

from panda.checkpoints.checkpoint import Checkpoint
from panda.generator import Generator, Latents

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


def check_contract(generator: Generator, latents: Latents) -> None:
    """Exact resume, declared shapes, untouched inputs, rows that do not see their batch."""
    image = generator.forward(latents)
    assert image.shape == (len(latents), 3, generator.resolution, generator.resolution)
    single = generator.forward(latents[1:2])
    assert error(image[1:2], single) <= 1e-5
    for name, layer in generator.layers.items():
        assert layer.name == name
        state = generator.head(latents, name)
        assert state.x.shape == (len(latents), layer.channels, layer.height, layer.width)
        before = state.x.clone()
        assert torch.equal(generator.tail(state, name), image), f"resume at {name}"
        assert torch.equal(state.x, before), f"{name} was changed in place"
        assert error(generator.head(latents[1:2], name).x, state.x[1:2]) <= 1e-5


def check_gradients(generator: Generator, latents: Latents) -> None:
    """Gradients reach the features of every layer, and no graph is kept unless asked for."""
    assert not any(p.requires_grad for p in network(generator).parameters())
    for name in generator.layers:
        state = generator.head(latents, name)
        assert not state.x.requires_grad
        x = state.x.clone().requires_grad_()
        image = generator.tail(state.with_features(x), name)
        (gradient,) = torch.autograd.grad(image.square().sum(), x)
        assert gradient.isfinite().all() and gradient.abs().sum() > 0


def check_seeds(generator: Generator, **options: Any) -> None:
    """Row i depends on seeds[i] alone."""
    batch = generator.sample([7, 3, 11], **options)
    alone = generator.sample([3], **options)
    assert batch.seeds == (7, 3, 11)
    for name, tensor in alone.tensors.items():
        assert error(batch.tensors[name][1:2], tensor) <= 1e-5
    assert error(batch.tensors["z"][0:1], batch.tensors["z"][1:2]) > 0.1


def network(generator: Generator) -> nn.Module:
    module: Any = generator
    found: nn.Module = module.network
    return found


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
