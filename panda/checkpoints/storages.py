"""Torch tensors from pickle records: views of storages, checked before anything is allocated."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from panda.checkpoints.arrays import are_sizes
from panda.checkpoints.pickles import Global, Record, describe
from panda.errors import PandaError
from panda.files.budget import Budget

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
    records: Iterable[tuple[str, Any]],
    load: Callable[[Any], tuple[Storage, bytes]],
    budget: Budget,
) -> dict[str, torch.Tensor]:
    """Return the tensors of records; they share no memory.

    Args:
        records: Names and records, as pickles of torch describe tensors.
        load: Returns the storage and its bytes for what a record says of them.
        budget: What reading them may cost.

    Raises:
        PandaError: A value is not a tensor or reaches outside its storage, or all tensors together
            cost more than the budget has left.
    """
    tensors = {}
    for name, record in records:
        budget.spend(names=1)
        try:
            tensors[name] = _read_tensor(record, load, budget)
        except PandaError as error:
            raise PandaError(f"{name!r:.80} cannot be read: {error}") from error
    return tensors


def _read_tensor(
    record: Any, load: Callable[[Any], tuple[Storage, bytes]], budget: Budget
) -> torch.Tensor:
    """Return the tensor of a record."""
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
    budget.spend(bytes=count * flat.itemsize)
    steps = [stride * flat.itemsize for stride in strides]
    view = np.ndarray(shape, flat.dtype, flat.data, offset * flat.itemsize if count else 0, steps)
    return torch.from_numpy(np.array(view, order="C")).view(torch_type)
