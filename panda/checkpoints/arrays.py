"""NumPy arrays and scalars from pickle records."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from panda.checkpoints.pickles import Global, Record, describe
from panda.errors import PandaError
from panda.files.budget import Budget

_SCALARS = {"numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"}
_ARRAYS = {"numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct"}
_KINDS = {"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"}


def are_sizes(*numbers: Any) -> bool:
    """Return whether all are plausible sizes, strides or offsets, and not too many of them."""
    return len(numbers) <= 40 and all(type(n) is int and 0 <= n < 1 << 48 for n in numbers)


def is_array(value: Any) -> bool:
    """Return whether a value of a pickle is a NumPy array or scalar."""
    return isinstance(value, Record) and value.name in _SCALARS | _ARRAYS


def read_array(value: Any, budget: Budget) -> np.ndarray:
    """Return a copy of the array that a record describes; a scalar has no dimensions.

    Args:
        value: A value of a pickle.
        budget: What reading it may cost.

    Raises:
        PandaError: It is not an array, costs more than the budget has left, or has a shape that
            does not fit its bytes.
    """
    match value:
        case Record(name, (dtype, bytes() as data)) if name in _SCALARS:
            shape: Any = ()
            fortran = False
        case Record(
            name,
            (Global("numpy.ndarray"), *_),
            (_, tuple() as shape, dtype, bool() as fortran, bytes() as data),
        ) if name in _ARRAYS:
            pass
        case _:
            raise PandaError(f"{describe(value)}, expected a numpy array")
    kind = _dtype(dtype)
    if not are_sizes(*shape):
        raise PandaError("a numpy array whose shape is not of sizes")
    wanted = math.prod(shape) * kind.itemsize
    if wanted != len(data):
        raise PandaError(f"a numpy array of {wanted} bytes with a content of {len(data)} bytes")
    budget.spend(bytes=wanted)
    array = np.frombuffer(data, kind).reshape(shape, order="F" if fortran else "C")
    return np.array(array, dtype=kind.newbyteorder("="), order="C")


def _dtype(value: Any) -> np.dtype[Any]:
    """Return the dtype that a record describes, if it is one of plain numbers."""
    match value:
        case Record("numpy.dtype", (str() as kind, *_), (_, str() as order, *_)) if kind in _KINDS:
            return np.dtype(kind).newbyteorder(">" if order == ">" else "<")
    raise PandaError("a numpy array whose values are not plain numbers")
