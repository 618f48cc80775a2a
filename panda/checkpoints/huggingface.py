"""Hugging Face folders: config.json beside model.safetensors or pytorch_model.bin."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from panda.checkpoints.checkpoint import Checkpoint
from panda.checkpoints.plain import from_json
from panda.errors import PandaError
from panda.files.budget import Budget, File

_WEIGHTS = ("model.safetensors", "pytorch_model.bin")


def is_huggingface(folder: Path) -> bool:
    """Return whether a folder contains a config and weights under Hugging Face's names."""
    return (folder / "config.json").is_file() and any(
        (folder / name).is_file() for name in _WEIGHTS
    )


def read_huggingface(
    folder: Path, read_file: Callable[[Path, Budget], Checkpoint], budget: Budget
) -> Checkpoint:
    """Read a Hugging Face folder.

    Args:
        folder: The folder.
        read_file: Reads the file with the weights.
        budget: What reading both files may cost.

    Returns:
        The weights, of safetensors if both files exist; the config is the whole config.json.

    Raises:
        PandaError: A file is damaged.
    """
    reading = "config.json"
    try:
        with File(folder / reading, budget) as file:
            config = from_json(file.text(), budget)
        reading = next(name for name in _WEIGHTS if (folder / name).is_file())
        return Checkpoint("huggingface", read_file(folder / reading, budget).tensors, config)
    except PandaError as error:
        raise PandaError(f"{reading}: {error}") from error
