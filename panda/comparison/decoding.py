"""Frozen data out of the JSON that `dataclasses.asdict` made of it, with every type checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints


def decode(kind: Any, value: Any) -> Any:
    """Return an instance of ``kind`` of what JSON has in its place.

    Args:
        kind: A dataclass, a type of JSON, a tuple, a mapping with text as keys, or one of them or
            None, or of several types of JSON.
        value: What `json` has read.

    Raises:
        TypeError: Where a value has another type, or one is missing or unknown.
        ValueError: Where the dataclass itself refuses a value.
    """
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        members = [each for each in inner if each is not NoneType]
        if value is None and len(members) < len(inner):
            return None
        return decode(next((each for each in members if type(value) is each), members[0]), value)
    if is_dataclass(kind):
        hints, facts = get_type_hints(kind), _checked(dict, value)
        optional = {
            each.name
            for each in fields(kind)
            if each.default is not MISSING or each.default_factory is not MISSING
        }
        if wrong := (facts.keys() - hints.keys()) | (hints.keys() - optional - facts.keys()):
            raise TypeError(f"unknown or missing: {', '.join(sorted(wrong))}")
        return kind(**{name: decode(hints[name], part) for name, part in facts.items()})  # type: ignore[operator]
    if origin is tuple:
        parts = _checked(list, value)
        kinds = [inner[0]] * len(parts) if inner[-1] is Ellipsis else inner
        if len(kinds) != len(parts):
            raise TypeError(f"{len(parts)} values in place of {len(kinds)}")
        return tuple(decode(*pair) for pair in zip(kinds, parts, strict=True))
    if origin is Mapping:
        return {name: decode(inner[1], part) for name, part in _checked(dict, value).items()}
    if kind is float and type(value) is int:
        return float(value)
    return _checked(kind, value)


def _checked(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise TypeError(f"{value!r:.60} in place of {kind.__name__}")
    return value
