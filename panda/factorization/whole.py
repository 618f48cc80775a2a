"""Whole numbers, whatever library they come from."""

from __future__ import annotations

import operator

from panda.errors import PandaError


def as_whole(value: object) -> int | None:
    """Return a Python, NumPy or torch whole number as an int; None for anything else."""
    if isinstance(value, bool) or getattr(value, "ndim", 0) != 0:
        return None
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        return None


def check_whole(name: str, value: object, low: int, high: float, reason: str) -> int:
    """Return ``value`` as an int from ``low`` to ``high``; raise `PandaError` for anything else."""
    whole = as_whole(value)
    if whole is None or not low <= whole <= high:
        raise PandaError(f"{name} is {value!r:.60}: {reason}")
    return whole
