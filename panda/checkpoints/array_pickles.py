"""Pickles of nested dicts of numpy arrays, as flax writes its parameters."""

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
    """The arrays by their keys joined with dots. Nothing of the file is run.

    Raises `PandaError` where it holds anything but dicts and arrays of numbers.
    """
    with path.open("rb") as file:
        content = parse(file)
    if not isinstance(content, dict) or not content:
        raise PandaError(f"{path} holds no dict of arrays")
    # Together they are no larger than the file, unless one is named many times.
    left, tensors = path.stat().st_size, {}
    for name, value in _walk(content, ""):
        array = read_array(value, left)
        left -= array.nbytes
        tensors[name] = torch.from_numpy(array)
    return tensors


def _walk(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _walk(inner, f"{name}.{key}" if name else str(key))
    else:
        yield name, value
