"""Plain, JSON-like data: what a checkpoint says about its network."""

from __future__ import annotations

import json
from typing import Any

from panda.checkpoints.arrays import is_array, read_array
from panda.checkpoints.pickles import describe
from panda.errors import PandaError

_LONGEST = 1 << 24  # bytes of JSON, whose values may take twenty times as much in memory
_MOST = 10_000  # values; a short pickle can name the same list of lists many times


def plain(value: Any) -> Any:
    """Copy a value of a pickle to dicts with text keys, lists, numbers, texts, bools and None.

    Raises:
        PandaError: It contains anything else, or very many values.
    """
    left = iter(range(_MOST))

    def copy(value: Any) -> Any:
        if next(left, None) is None:
            raise PandaError(f"constructor arguments of over {_MOST} values")
        match value:
            case int() if value.bit_length() > 64:
                raise PandaError("constructor arguments with a number of over 64 bits")
            case None | bool() | int() | float() | str():
                return value
            case list() | tuple():
                return [copy(item) for item in value]
            case dict() if all(isinstance(key, str) for key in value):
                return {key: copy(item) for key, item in value.items()}
            case _ if is_array(value):
                return copy(read_array(value, 8 * _MOST).tolist())
        raise PandaError(f"constructor arguments with {describe(value)}, expected plain data")

    return copy(value)


def from_json(data: str | bytes) -> dict[str, Any]:
    """Read a JSON object in UTF-8.

    Raises:
        PandaError: It is damaged, not an object, or so long that it would fill the memory.
    """
    if len(data) > _LONGEST:
        raise PandaError(f"JSON of over {_LONGEST} bytes, more than any checkpoint has")
    try:
        value = json.loads(data if isinstance(data, str) else data.decode().removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        raise PandaError(f"damaged JSON ({error})") from error
    if not isinstance(value, dict):
        raise PandaError(f"JSON of {describe(value)}, expected an object")
    return value
