"""Pickles of nested dicts of NumPy arrays, as Flax writes its parameters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from panda.checkpoints.arrays import read_array
from panda.checkpoints.pickles import parse
from panda.errors import PandaError
from panda.files.budget import Budget, File


def read_array_pickle(path: Path) -> dict[str, Tensor]:
    """Read the arrays of a pickle, without running any code of the file.

    Returns:
        The arrays as tensors; their names are the keys of the dicts, joined with dots.

    Raises:
        PandaError: The file contains anything but dicts and arrays of numbers.
    """
    with File(path, Budget()) as file:
        content = parse(file, file.budget)
    if not isinstance(content, dict) or not content:
        raise PandaError(f"{path} does not contain a dict of arrays")
    return {
        name: torch.from_numpy(read_array(value, file.budget))
        for name, value in _walk(content, "", file.budget)
    }


def _walk(value: Any, name: str, budget: Budget) -> Iterator[tuple[str, Any]]:
    """Yield the leaves of nested dicts with their dotted names."""
    if isinstance(value, dict):
        for key, inner in value.items():
            budget.spend(names=1)
            budget.spend_text(name, str(key))
            yield from _walk(inner, f"{name}.{key}" if name else str(key), budget)
    else:
        yield name, value
