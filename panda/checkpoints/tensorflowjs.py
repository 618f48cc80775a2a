"""TensorFlow.js models: a model.json that lists constants, and shards with their bytes in order.

Only the list of constants is read; the graph is ignored.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch

from panda.checkpoints.arrays import are_sizes
from panda.checkpoints.checkpoint import Checkpoint
from panda.checkpoints.pickles import describe
from panda.checkpoints.plain import from_json
from panda.errors import PandaError

_DTYPES = {"float32": "<f4", "int32": "<i4", "bool": "|b1"}
_QUANTIZED = {"uint8": "|u1", "uint16": "<u2"}


def read_model_json(path: Path) -> Checkpoint:
    """Return the constants of a model.json whose shards are in the same folder.

    Raises:
        PandaError: The file is another kind of JSON, or the shards do not fit its list.
    """
    data = path.read_bytes()
    model = from_json(data)
    if "weightsManifest" not in model:
        raise PandaError(
            f"JSON of {describe(model)}, expected a TensorFlow.js model with a weightsManifest"
            " (for a Hugging Face config.json, give its folder)"
        )
    return Checkpoint("tensorflowjs", read_tensorflowjs(data, _Shards(path.parent)))


class _Shards(dict[str, bytes]):
    """The files of a folder by name, each read when it is needed, which is once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __missing__(self, name: str) -> bytes:
        outside = {"..", "/"} & set(PurePosixPath(name).parts)
        if outside or not (self.folder / name).is_file():
            raise PandaError(f"shard {name!r:.80} is missing, expected it beside model.json")
        return (self.folder / name).read_bytes()


def read_tensorflowjs(model: bytes, shards: Mapping[str, bytes]) -> dict[str, torch.Tensor]:
    """Return the constants of a model by name; quantized ones become the numbers they stand for.

    Args:
        model: The content of model.json.
        shards: The content of each shard, by its path in model.json.

    Raises:
        PandaError: The list is damaged, a shard is missing, or there are too few or many bytes.
    """
    tensors: dict[str, torch.Tensor] = {}
    try:
        groups = from_json(model)["weightsManifest"]
        paths = [path for group in groups for path in group["paths"]]
        if len(set(paths)) != len(paths):
            raise ValueError("a shard is listed twice")
        for group in groups:
            data, place = b"".join(shards[path] for path in group["paths"]), 0
            for weight in group["weights"]:
                name, shape = weight["name"], weight["shape"]
                if not isinstance(name, str) or name in tensors or not are_sizes(*shape):
                    raise ValueError(f"shape {shape} of {name!r}, or another of that name")
                kind, scale, least = _encoding(weight)
                array = np.frombuffer(data, kind, math.prod(shape), place).reshape(shape)
                place += array.nbytes
                with np.errstate(invalid="raise", over="raise"):
                    if scale is not None:
                        array = array.astype(np.float64) * scale + least
                        array = array.round() if weight["dtype"] == "int32" else array
                    tensors[name] = torch.from_numpy(array.astype(_DTYPES[weight["dtype"]]))
            if place != len(data):
                raise ValueError(f"{len(data)} bytes for constants of {place} bytes")
    except (KeyError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
        reason = f"{type(error).__name__}: {error}"[:200]
        raise PandaError(f"damaged TensorFlow.js model: {reason}") from error
    return tensors


def _encoding(weight: dict[str, Any]) -> tuple[str, float | None, float]:
    """Return the NumPy type of a stored constant, and scale and least value if quantized."""
    match weight.get("quantization"):
        case None:
            return _DTYPES[weight["dtype"]], None, 0
        case {"dtype": "float16"}:
            return "<f2", None, 0
        case {
            "dtype": ("uint8" | "uint16") as kind,
            "scale": int() | float() as scale,
            "min": int() | float() as least,
        }:
            return _QUANTIZED[kind], scale, least
    raise ValueError(
        f"{weight['name']!r} is quantized as {weight['quantization']}, expected float16, or uint8"
        " or uint16 with scale and min"
    )
