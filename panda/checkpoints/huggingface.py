"""Hugging Face folders: config.json beside model.safetensors or pytorch_model.bin."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from panda.checkpoints.checkpoint import Checkpoint
from panda.checkpoints.plain import from_json
from panda.errors import PandaError

_WEIGHTS = ("model.safetensors", "pytorch_model.bin")


def is_huggingface(folder: Path) -> bool:
    """Whether a folder has a config and weights under the names that Hugging Face gives them."""
    return (folder / "config.json").is_file() and any(
        (folder / name).is_file() for name in _WEIGHTS
    )


def read_huggingface(folder: Path, read_file: Callable[[Path], Checkpoint]) -> Checkpoint:
    """Return the weights, safetensors first, and the whole of config.json."""
    reading = "config.json"
    try:
        config = from_json((folder / reading).read_bytes())
        reading = next(name for name in _WEIGHTS if (folder / name).is_file())
        return Checkpoint("huggingface", read_file(folder / reading).tensors, config)
    except PandaError as error:
        raise PandaError(f"{reading}: {error}") from error
