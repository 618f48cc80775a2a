"""TensorFlow.js models: a model.json that lists constants, and shards with their bytes in order.

Only the list of constants is read; the graph is ignored.
"""

from __future__ import annotations

import math
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import torch

from panda.checkpoints.arrays import are_sizes
from panda.checkpoints.checkpoint import Checkpoint
from panda.checkpoints.pickles import describe
from panda.checkpoints.plain import from_json
from panda.errors import PandaError
from panda.files.budget import Budget, File

_DTYPES = {"float32": "<f4", "int32": "<i4", "bool": "|b1"}
_QUANTIZED = {"uint8": "|u1", "uint16": "<u2"}
_BLOCK = 1 << 20  # constants that are scaled at a time


class _Constant(NamedTuple):
    """An entry of the list: ``kind`` is the type of its bytes, ``dtype`` that of its values."""

    name: str
    shape: list[int]
    dtype: np.dtype[Any]
    kind: np.dtype[Any]
    scale: float | None
    least: float

    @property
    def elements(self) -> int:
        return math.prod(self.shape)


def read_model_json(path: Path, budget: Budget) -> Checkpoint:
    """Return the constants of a model.json whose shards are in the same folder.

    Quantized constants become the numbers that they stand for.

    Raises:
        PandaError: The file is another kind of JSON, the shards do not fit its list, or all
            together cost more than the budget has left.
    """
    with File(path, budget) as file:
        model = from_json(file.text(), budget)
    if "weightsManifest" not in model:
        raise PandaError(
            f"JSON of {describe(model)}, expected a TensorFlow.js model with a weightsManifest"
            " (for a Hugging Face config.json, give its folder)"
        )
    tensors: dict[str, torch.Tensor] = {}
    try:
        groups = model["weightsManifest"]
        paths = [shard for group in groups for shard in group["paths"]]
        if len(set(paths)) != len(paths):
            raise ValueError("a shard is listed twice")
        for group in groups:
            constants = [_constant(weight, budget) for weight in group["weights"]]
            data, place = _read_shards(path.parent, group["paths"], constants, budget), 0
            for constant in constants:
                if constant.name in tensors:
                    raise ValueError(f"two constants called {constant.name!r}")
                array = np.frombuffer(data, constant.kind, constant.elements, place)
                place += array.nbytes
                tensors[constant.name] = _values(array, constant)
    except (KeyError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
        reason = f"{type(error).__name__}: {error}"[:200]
        raise PandaError(f"damaged TensorFlow.js model: {reason}") from error
    return Checkpoint("tensorflowjs", tensors)


def _constant(weight: dict[str, Any], budget: Budget) -> _Constant:
    name, shape = weight["name"], weight["shape"]
    if not isinstance(name, str) or not are_sizes(*shape):
        raise ValueError(f"shape {shape} of {name!r}")
    kind, scale, least = _encoding(weight)
    constant = _Constant(
        name, shape, np.dtype(_DTYPES[weight["dtype"]]), np.dtype(kind), scale, least
    )
    budget.spend(names=1)
    return constant


def _read_shards(
    folder: Path, names: list[str], constants: list[_Constant], budget: Budget
) -> bytearray:
    """Return the bytes of a group of shards, which must be those of its constants."""
    wanted = sum(constant.elements * constant.kind.itemsize for constant in constants)
    with ExitStack() as stack:
        shards = []
        for name in names:
            outside = {"..", "/"} & set(PurePosixPath(name).parts)
            if outside or not (folder / name).is_file():
                raise PandaError(f"shard {name!r:.80} is missing, expected it beside model.json")
            shards.append(stack.enter_context(File(folder / name, budget)))
        if (size := sum(shard.size for shard in shards)) != wanted:
            raise ValueError(f"{size} bytes for constants of {wanted} bytes")
        data = bytearray()
        for shard in shards:
            data += shard.read()
    return data


def _values(array: np.ndarray, constant: _Constant) -> torch.Tensor:
    """Return the values of a constant from its bytes."""
    values = np.empty(len(array), constant.dtype)
    for start in range(0, len(array), _BLOCK):
        block = array[start : start + _BLOCK]
        with np.errstate(invalid="raise", over="raise"):
            if constant.scale is not None:
                block = block.astype(np.float64) * constant.scale + constant.least
                block = block.round() if constant.dtype.kind == "i" else block
            values[start : start + _BLOCK] = block
    return torch.from_numpy(values.reshape(constant.shape))


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
