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


def read_array_pickle(path: Path) -> dict[str, Tensor]:
    """Read the arrays of a pickle, without running any code of the file.

    Returns:
        The arrays as tensors; their names are the keys of the dicts, joined with dots.

    Raises:
        PandaError: The file contains anything but dicts and arrays of numbers.
    """
    with path.open("rb") as file:
        content = parse(file)
    if not isinstance(content, dict) or not content:
        raise PandaError(f"{path} does not contain a dict of arrays")
    # Together they are no larger than the file, unless an array is named many times.
    left, tensors = path.stat().st_size, {}
    for name, value in _walk(content, ""):
        array = read_array(value, left)
        left -= array.nbytes
        tensors[name] = torch.from_numpy(array)
    return tensors


def _walk(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield the leaves of nested dicts with their dotted names."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _walk(inner, f"{name}.{key}" if name else str(key))
    else:
        yield name, value
