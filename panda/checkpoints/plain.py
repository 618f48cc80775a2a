"""Plain, JSON-like data: what a checkpoint says about its network."""

from __future__ import annotations

from typing import Any

from panda.checkpoints.arrays import is_array, read_array
from panda.checkpoints.pickles import describe
from panda.errors import PandaError
from panda.files.budget import Budget, parse_json


def plain(value: Any, budget: Budget) -> Any:
    """Copy a value of a pickle to dicts with text keys, lists, numbers, texts, bools and None.

    A short pickle can name the same list of lists, or the same long text, many times: each time is
    charged.

    Raises:
        PandaError: It contains anything else, or more than the budget has left.
    """
    match value:
        case int() if value.bit_length() > 64:
            raise PandaError("constructor arguments with a number of over 64 bits")
        case str():
            budget.spend_text(value)
            return value
        case None | bool() | int() | float():
            return value
        case list() | tuple():
            budget.spend(steps=len(value))
            return [plain(item, budget) for item in value]
        case dict() if all(isinstance(key, str) for key in value):
            budget.spend(steps=len(value))
            return {plain(key, budget): plain(item, budget) for key, item in value.items()}
        case _ if is_array(value):
            array = read_array(value, budget)
            budget.spend(steps=array.size)
            return array.tolist()
    raise PandaError(f"constructor arguments with {describe(value)}, expected plain data")


def from_json(data: str | bytes, budget: Budget) -> dict[str, Any]:
    """Read a JSON object in UTF-8.

    Raises:
        PandaError: It is damaged, not an object, or costs more than the budget has left.
    """
    try:
        value = parse_json(data, budget)
    except (ValueError, RecursionError) as error:
        raise PandaError(f"damaged JSON ({error})") from error
    if not isinstance(value, dict):
        raise PandaError(f"JSON of {describe(value)}, expected an object")
    return value
