"""What a config says of stability: of parts and axes, and of the numbers that were tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from panda.factorization.solvers import joint

UNSTABLE = " (unstable)"
"""What marks a part or an axis that differs between two halves of the samples."""

CURVES = {"parts": "curve", "appearances": "appearance_curve"}
"""What is chosen automatically, and the fact of the solver that has its curve."""

Curve = list[tuple[float, float, float]]
"""Rows of a number, the loss, and the stability."""


def stability_of_parts(config: Mapping[str, Any], parts: int) -> tuple[float, ...]:
    """Return the cosine of each part; none where the config has none, or something else."""
    return _cosines(_facts(config, "stability").get("parts"), parts)


def stability_of_axes(
    config: Mapping[str, Any], part: int, parts: int, axes: int
) -> tuple[float, ...]:
    """Return the cosine of each of a part's own axes; none likewise."""
    rows = _facts(config, "stability").get("own")
    if not isinstance(rows, list | tuple) or len(rows) != parts or not 0 <= part < parts:
        return ()
    return _cosines(rows[part], axes)


def unstable(cosines: Sequence[float]) -> list[int]:
    """Return the numbers of those on which halves of the samples do not agree."""
    return [number for number, same in enumerate(cosines) if same < joint.STABLE]


def stable_first(count: int, cosines: Sequence[float]) -> list[int]:
    """Return the numbers below ``count``, unstable ones last; both groups keep their order."""
    last = unstable(cosines)
    return sorted(range(count), key=lambda number: number in last)


def read_curves(config: Mapping[str, Any]) -> dict[str, Curve]:
    """Return what the numbers of `CURVES` were chosen from, as far as they were."""
    curves = {}
    for what, key in CURVES.items():
        rows: Any = _facts(config, "solver").get(key)
        try:
            curve = [
                (float(row[what]), float(row["loss"]), float(row["stability"])) for row in rows
            ]
        except (KeyError, TypeError, ValueError, OverflowError):
            continue  # none, or something else than a fit writes
        if curve and all(row[0] >= 1 and all(map(isfinite, row)) for row in curve):
            curves[what] = curve
    return curves


def _facts(config: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    facts = config.get(key)
    return facts if isinstance(facts, Mapping) else {}


def _cosines(values: Any, count: int) -> tuple[float, ...]:
    known = isinstance(values, list | tuple) and len(values) == count
    return tuple(values) if known and all(isinstance(v, float) for v in values) else ()
