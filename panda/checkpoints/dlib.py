"""Networks that dlib has serialized: the weights of their layers, without dlib.

A file is a chain of layers from the input to the output, without names or an index. Only layers
that have weights are looked for, by the text with which each begins; what lies between is settings
of training. An integer is a byte with its length and its sign, then as many bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import prod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from panda.errors import PandaError
from panda.files.budget import Budget, File

_LAYERS = {b"con_4": 0, b"affine_": 0, b"fc_2": 2}
"""Layers with weights, and how many integers there are before these."""

_BEGINNING = re.compile(
    b"|".join(re.escape(bytes([1, len(name)]) + name) for name in _LAYERS), re.DOTALL
)


def read_dlib(path: Path) -> list[tuple[str, Tensor]]:
    """Return the kind (``con_4``, ``affine_`` or ``fc_2``) and the weights of each layer.

    The weights of a convolution or an affine layer come as one vector: filters, then biases.

    Raises:
        PandaError: The file is damaged, has no such layers, or cannot be read.
    """
    try:
        with File(path, Budget()) as file:
            layers = list(_layers(file.read(), file.budget))
    except OSError as error:
        raise PandaError(f"{path} cannot be read: {error.strerror or error}") from error
    except PandaError as error:
        raise PandaError(f"{path} is not a whole network of dlib: {error}") from error
    if not layers:
        raise PandaError(f"{path} is not a network of dlib: it has no layers with weights")
    return layers


def _layers(data: bytes, budget: Budget) -> Iterator[tuple[str, Tensor]]:
    place = 0
    while match := _BEGINNING.search(data, place):
        budget.spend(names=1)
        kind, place = match[0][2:], match.end()
        for _ in range(_LAYERS[kind]):
            _, place = _integer(data, place)
        version, place = _integer(data, place)
        shape = []
        for _ in range(4):
            size, place = _integer(data, place)
            shape.append(size)
        count = prod(shape)
        if version != 2 or min(shape) < 0 or 4 * count > len(data) - place:
            raise PandaError(
                f"a layer {kind.decode()} of version {version} and shape {shape} before byte"
                f" {place} of {len(data)}"
            )
        budget.spend(bytes=4 * count)
        values = np.frombuffer(data, "<f4", count, place).reshape(shape).astype(np.float32)
        yield kind.decode(), torch.from_numpy(values).squeeze()
        place += 4 * count


def _integer(data: bytes, place: int) -> tuple[int, int]:
    """Return the integer at a place, and where it ends."""
    head = data[place : place + 1]
    length = head[0] & 0x0F if head else 0
    end = place + 1 + length
    if not 1 <= length <= 8 or end > len(data):
        raise PandaError(f"no integer at byte {place} of {len(data)}")
    value = int.from_bytes(data[place + 1 : end], "little")
    return -value if head[0] & 0x80 else value, end
