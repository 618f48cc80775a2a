"""Natural input: whole numbers and paths in whatever form they come."""

from __future__ import annotations

import math
import operator
import os
from pathlib import Path

from panda.errors import PandaError


def as_whole(value: object) -> int | None:
    """Return a Python, NumPy or torch whole number as an int; None for anything else."""
    if isinstance(value, bool) or getattr(value, "ndim", 0) != 0:
        return None
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        return None


def as_number(name: str, value: object) -> float:
    """Return a finite Python, NumPy or torch number as a float; raises `PandaError` otherwise."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError, RuntimeError):
        number = math.nan
    if not math.isfinite(number) or isinstance(value, str | bytes):
        raise PandaError(f"{name} is {value!r:.60}, expected a finite number")
    return number


def as_path(value: object, what: str) -> Path:
    """Return text or a path as a `Path`; raises `PandaError` for anything else."""
    if not isinstance(value, str | os.PathLike):
        raise PandaError(f"{what} is {value!r:.60}, expected the path of a folder")
    path = os.fspath(value)
    if not isinstance(path, str):
        raise PandaError(f"{what} is {value!r:.60}, expected the path of a folder as text")
    return Path(path)
