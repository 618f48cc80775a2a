"""TensorFlow.js models: a model.json that lists constants, and shards with their bytes in order.

Only the list of constants is read; the graph is left alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

import numpy as np
import torch

from panda.errors import PandaError

_DTYPES = {"float32": "<f4", "int32": "<i4", "uint8": "|u1", "bool": "|b1"}


def read_tensorflowjs(model: bytes, shards: Mapping[str, bytes]) -> dict[str, torch.Tensor]:
    """Return ``{name: tensor}``; ``shards`` are keyed by the paths that ``model.json`` gives.

    Raises `PandaError` where the list is damaged, a shard is missing, or the bytes do not suffice.
    """
    try:
        groups = json.loads(model)["weightsManifest"]
        tensors = {}
        for group in groups:
            data, place = b"".join(shards[path] for path in group["paths"]), 0
            for weight in group["weights"]:
                name, shape = weight["name"], [int(size) for size in weight["shape"]]
                if "quantization" in weight:
                    raise PandaError(
                        f"TensorFlow.js weight {name!r} is quantized; use the float32 model"
                    )
                dtype = np.dtype(_DTYPES[weight["dtype"]])
                if min(shape, default=0) < 0:
                    raise ValueError(f"shape {shape} of {name!r}")
                array = np.frombuffer(data, dtype, math.prod(shape), place)
                tensors[name] = torch.from_numpy(array.reshape(shape).copy())
                place += array.nbytes
            if place != len(data):
                raise ValueError(f"{len(data)} bytes for constants of {place} bytes")
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise PandaError(f"damaged TensorFlow.js model: {type(error).__name__}: {error}") from error
    return tensors
