"""Names of parts and appearances as they are kept in the config of factors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from panda.editing.edits import Edit
from panda.editing.syntax import OF_FACTORS
from panda.errors import PandaError
from panda.factorization.factors import Factors
from panda.naming.effects import UNSEEN
from panda.naming.impact import Impact


def names_of(factors: Factors) -> dict[str, Any]:
    """Return the names that `panda.naming.names.name_factors` wrote.

    Raises:
        PandaError: Where the factors have none yet, and where what they have is damaged.
    """
    names = factors.config.get("names")
    if not names:
        raise PandaError("these factors have no names yet; run 'panda name FACTORS' first")
    try:
        _check(names, factors.parts.shape[1])
    except (TypeError, KeyError, AttributeError, OverflowError) as error:
        raise PandaError(
            f"the names of these factors are damaged ({error!r:.200}); run 'panda name FACTORS' to"
            " have them made again"
        ) from error
    return dict(names)


def is_unstable(factors: Factors, edit: str) -> bool:
    """Return whether the part or the axis of an edit differs between halves of the samples.

    Args:
        factors: What the edit counts.
        edit: Its text in the names, such as ``"3:p0:4sd"``.
    """
    parsed = Edit.parse(edit)
    axes = {f"p{axis}" for part in parsed.parts for axis in factors.unstable_axes(part)}
    return parsed.appearance in axes or not set(parsed.parts).isdisjoint(factors.unstable_parts)


def impact_of(factors: Factors, edit: Mapping[str, Any]) -> Impact:
    """Return the impact of an edit from what the names say of it.

    Args:
        factors: What the edit counts.
        edit: Its entry in the names.
    """
    return Impact(
        edit["inside"],
        edit["outside"],
        named=edit["name"] != UNSEEN,
        stable=not is_unstable(factors, edit["edit"]),
        broken=bool(edit["broken"]),
    )


def _check(names: Any, count: int) -> None:
    """Raise what reading wrong types raises, unless all that is read later has its type."""
    parts = _list(names["parts"])
    if len(parts) != count:
        raise TypeError(f"names of {len(parts)} parts, expected {count}")
    for part in parts:
        _text(part["name"])
        for edit in _list(part["edits"]):
            _text(edit["name"])
            if not OF_FACTORS.fullmatch(_text(edit["edit"])):
                raise TypeError(f"{edit['edit']!r:.60} is no edit")
            for effects in (edit["effects"], edit["own"]):
                for measure, effect in effects.items():
                    _number(effect, f"the effect on {measure!r:.60}")
            for strength in _list(edit["broken"]):
                _number(strength, "a strength")
            _number(edit["inside"], "the change inside")
            _number(edit["outside"], "the change outside")


def _number(value: Any, what: str) -> None:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise TypeError(f"{what} is {value!r:.60}")


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r:.60} is no list")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.60} is no text")
    return value
