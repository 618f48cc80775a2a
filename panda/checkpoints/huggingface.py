"""Hugging Face folders: config.json beside model.safetensors or pytorch_model.bin."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from panda.checkpoints.checkpoint import Checkpoint
from panda.checkpoints.plain import from_json
from panda.checkpoints.tensors import read_safetensors
from panda.checkpoints.torch_files import read_torch
from panda.errors import PandaError

_WEIGHTS: dict[str, Callable[[Path], Checkpoint]] = {
    "model.safetensors": read_safetensors,
    "pytorch_model.bin": read_torch,
}


def is_huggingface(folder: Path) -> bool:
    """Whether a folder has a config and weights under the names that Hugging Face gives them."""
    return (folder / "config.json").is_file() and any(
        (folder / name).is_file() for name in _WEIGHTS
    )


def read_huggingface(folder: Path) -> Checkpoint:
    """Return the weights, safetensors first, and the whole of config.json."""
    name = next(name for name in _WEIGHTS if (folder / name).is_file())
    reading = "config.json"
    try:
        config = from_json((folder / reading).read_bytes())
        reading = name
        return Checkpoint("huggingface", _WEIGHTS[name](folder / name).tensors, config)
    except PandaError as error:
        raise PandaError(f"{reading}: {error}") from error
