"""TensorFlow.js: model.json, whose weights manifest names tensors in shards of raw bytes."""

from __future__ import annotations

import math
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch

from panda.checkpoints.checkpoint import Checkpoint
from panda.checkpoints.pickles import describe
from panda.checkpoints.plain import from_json
from panda.errors import PandaError

_DTYPES = {"float32": "<f4", "int32": "<i4", "uint8": "|u1", "uint16": "<u2", "float16": "<f2"}
_NATIVE = {"float32", "int32"}


def read_tensorflowjs(path: Path) -> Checkpoint:
    """Return the weights under the names of the graph; quantized ones as what they stand for.

    Raises `PandaError` where the file is another JSON, or the shards do not fit its manifest.
    """
    model = from_json(path.read_bytes())
    groups = model.get("weightsManifest")
    if not isinstance(groups, list):
        raise PandaError(
            f"JSON of {describe(model)}, expected a TensorFlow.js model with a weightsManifest"
            " (for Hugging Face's config.json, give its folder)"
        )
    tensors: dict[str, torch.Tensor] = {}
    read: set[str] = set()
    for group in groups:
        match group:
            case {"paths": list() as names, "weights": list() as weights}:
                data = b"".join(_shard(path.parent, name, read) for name in names)
                _add(tensors, weights, data)
            case _:
                raise PandaError(
                    f"a weightsManifest with {describe(group)}, expected paths, weights"
                )
    return Checkpoint("tensorflowjs", tensors)


def _shard(folder: Path, name: Any, read: set[str]) -> bytes:
    """Read one shard, which must be in the folder of model.json and listed once."""
    if isinstance(name, str) and name not in read:
        read.add(name)
        outside = {"..", "/"} & set(PurePosixPath(name).parts)
        if not outside and (folder / name).is_file():
            return (folder / name).read_bytes()
    raise PandaError(f"a weightsManifest whose shard {name!r:.80} is not beside it, once")


def _add(tensors: dict[str, torch.Tensor], weights: list[Any], data: bytes) -> None:
    offset = 0
    for entry in weights:
        name, shape, dtype, quantized = _facts(entry)
        stored = np.dtype(_DTYPES[quantized.get("dtype", dtype)])
        count = math.prod(shape)
        if name in tensors or offset + count * stored.itemsize > len(data):
            raise PandaError(
                f"tensor {name!r} is there twice, or wants {count * stored.itemsize} bytes at"
                f" {offset} of shards of {len(data)} bytes"
            )
        array = np.frombuffer(data, stored, count, offset).reshape(shape)
        if "scale" in quantized:
            array = array * float(quantized["scale"]) + float(quantized["min"])
            array = array.round() if dtype == "int32" else array
        tensors[name] = torch.from_numpy(array.astype(dtype))
        offset += count * stored.itemsize
    if offset != len(data):
        raise PandaError(f"shards of {len(data)} bytes, of which the tensors take {offset}")


def _facts(entry: Any) -> tuple[str, tuple[int, ...], str, dict[str, Any]]:
    match entry:
        case {"name": str() as name, "shape": list() as shape, "dtype": str() as dtype}:
            quantized = entry.get("quantization") or {}
            scaled = isinstance(quantized, dict) and all(
                isinstance(quantized.get(key), int | float) for key in ("scale", "min")
            )
            if (
                dtype in _NATIVE
                and all(type(size) is int and size >= 0 for size in shape)
                and (
                    quantized == {}
                    or quantized == {"dtype": "float16"}
                    or (scaled and quantized.get("dtype") in ("uint8", "uint16"))
                )
            ):
                return name, tuple(shape), dtype, quantized
            raise PandaError(
                f"tensor {name!r} has shape {shape!r:.80}, type {dtype!r:.40} and quantization"
                f" {quantized!r:.80}, expected float32 or int32, plain or as uint8, uint16, float16"
            )
    raise PandaError(f"a weightsManifest with {describe(entry)} where a tensor belongs")
