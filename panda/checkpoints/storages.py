"""Torch tensors from pickle records: views of storages, checked before anything is allocated."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from panda.checkpoints.arrays import are_sizes
from panda.checkpoints.pickles import Global, Record, describe
from panda.errors import PandaError

_DTYPES = {
    "torch.FloatStorage": ("<f4", torch.float32),
    "torch.DoubleStorage": ("<f8", torch.float64),
    "torch.HalfStorage": ("<f2", torch.float16),
    "torch.BFloat16Storage": ("<i2", torch.bfloat16),  # numpy has no bfloat16: bits only
    "torch.LongStorage": ("<i8", torch.int64),
    "torch.IntStorage": ("<i4", torch.int32),
    "torch.ShortStorage": ("<i2", torch.int16),
    "torch.CharStorage": ("|i1", torch.int8),
    "torch.ByteStorage": ("|u1", torch.uint8),
    "torch.BoolStorage": ("|b1", torch.bool),
}
SHARING = 4
"""How often, on average, tensors may share the bytes of a file, as tied weights do."""


@dataclass(frozen=True)
class Storage:
    """A persistent id of torch.

    Attributes:
        key: Name of the storage in the file.
        size: Number of its elements.
        kind: Their type, such as ``"torch.FloatStorage"``.
    """

    key: str
    size: int
    kind: str

    @property
    def bytes(self) -> int:
        """Length of the storage in the file."""
        return self.size * np.dtype(_DTYPES[self.kind][0]).itemsize

    @classmethod
    def of(cls, persistent_id: Any) -> Storage:
        """Return the storage of a persistent id.

        Raises:
            PandaError: It is not a storage.
        """
        match persistent_id:
            case ("storage", Global(kind), str() as key, _, size, *view) if (
                kind in _DTYPES and are_sizes(size) and view in ([], [None])
            ):
                return cls(key, size, kind)
        raise PandaError("a damaged torch file: a tensor's storage is not described as torch does")


def read_tensors(
    records: Mapping[str, Any], load: Callable[[Any], tuple[Storage, bytes]], file_size: int
) -> dict[str, torch.Tensor]:
    """Return the tensors of records; they share no memory.

    Args:
        records: Records by name, as pickles of torch describe tensors.
        load: Returns the storage and its bytes for what a record says of them.
        file_size: Bytes of the file.

    Raises:
        PandaError: A value is not a tensor or reaches outside its storage, or all tensors together
            need much more memory than the file has bytes.
    """
    left = SHARING * file_size
    tensors = {}
    for name, record in records.items():
        try:
            tensor = _read_tensor(record, load, left)
        except PandaError as error:
            raise PandaError(f"{name!r:.80} cannot be read: {error}") from error
        left -= tensor.nbytes
        tensors[name] = tensor
    return tensors


def _read_tensor(
    record: Any, load: Callable[[Any], tuple[Storage, bytes]], most: int
) -> torch.Tensor:
    """Return the tensor of a record, if it has no more than ``most`` bytes."""
    match record:
        case Record("torch._utils._rebuild_parameter", (inner, *_)):
            record = inner
    match record:
        case Record(
            "torch._utils._rebuild_tensor_v2",
            (place, int() as offset, tuple() as shape, tuple() as strides, *_),
        ):
            pass
        case _:
            raise PandaError(f"{describe(record)}, expected a tensor")
    if len(shape) != len(strides) or not are_sizes(offset, *shape, *strides):
        raise PandaError("its shape and strides are not those of a tensor")
    storage, data = load(place)
    numpy_type, torch_type = _DTYPES[storage.kind]
    flat = np.frombuffer(data, numpy_type)
    count = math.prod(shape)
    end = 1 + offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True)) if count else 0
    if len(flat) != storage.size or end > storage.size:
        raise PandaError(
            f"shape {list(shape)} reaches element {end} of a storage of {len(flat)}"
            f" (declared {storage.size})"
        )
    if count * flat.itemsize > most:
        raise PandaError(f"shape {list(shape)} wants more memory than the file can fill")
    steps = [stride * flat.itemsize for stride in strides]
    view = np.ndarray(shape, flat.dtype, flat.data, offset * flat.itemsize if count else 0, steps)
    return torch.from_numpy(np.array(view, order="C")).view(torch_type)
