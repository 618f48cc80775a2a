"""Options of loading, ``NAME?steps=20&scheduler=ddim``, as cards and architectures declare them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from panda.errors import PandaError, nearest
from panda.generators.seeds import as_whole

Value = bool | int | float | str
"""What an option can be."""

NAME, WORD = re.compile(r"[a-z][a-z0-9_]*"), re.compile(r"[A-Za-z0-9._+-]+")
"""The names of options, and their values as text: nothing that stands between them in a name."""


@dataclass(frozen=True)
class Option:
    """A setting with which a generator can be loaded.

    The type of the default is that of all values: bool, int, float, or str with choices. Names of
    generators leave defaults out, so a default that was released stays what it is.

    Attributes:
        default: The value where none is given.
        about: What it does, in a few words.
        choices: The values that there are; by default any of the type.
        low: The least number.
        high: The greatest number.

    Raises:
        PandaError: Where the default is not among what these allow, and for text without choices.
    """

    default: Value
    about: str
    choices: tuple[Value, ...] = ()
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        """Check the declaration."""
        object.__setattr__(self, "choices", tuple(self.choices))
        kind = type(self.default)
        if kind not in (bool, int, float, str) or (kind is str and not self.choices):
            raise PandaError(
                f"an option has default {self.default!r:.60}, expected True or False, a number, or"
                " one of its choices"
            )
        for value in (self.default, *self.choices):
            if type(value) is not kind or not WORD.fullmatch(text_of(value)):
                raise PandaError(
                    f"an option has default {self.default!r:.60} and choice {value!r:.60}, expected"
                    " values of one type, as letters, digits and ._+-"
                )
        if not self._allows(self.default):
            raise PandaError(f"an option has default {self.default!r:.60}, expected {self.takes}")

    @property
    def takes(self) -> str:
        """What it takes, in words, such as ``a whole number from 1 to 1000``."""
        if self.choices:
            *most, last = map(text_of, self.choices)
            return f"{', '.join(most)} or {last}" if most else last
        if isinstance(self.default, bool):
            return "true or false"
        kind = "a whole number" if isinstance(self.default, int) else "a number"
        low, high = ("" if end is None else f"{end:g}" for end in (self.low, self.high))
        if low and high:
            return f"{kind} from {low} to {high}"
        return f"{kind} from {low} on" if low else f"{kind} up to {high}" if high else kind

    def read(self, name: str, given: Any) -> Value:
        """Return a value, given as such or as text, in the option's type.

        Args:
            name: The option's name, for errors.
            given: The value.

        Raises:
            PandaError: For anything but what the option takes.
        """
        value = _typed(given, type(self.default))
        if value is None or not self._allows(value):
            shown = given if isinstance(given, str) else repr(given)
            hint = nearest(shown, map(text_of, self.choices)) if self.choices else ""
            hint = hint if "did you mean" in hint else ""
            raise PandaError(f"option {name}={shown:.60}: expected {self.takes}{hint}")
        return value

    def _allows(self, value: Value) -> bool:
        if self.choices:
            return value in self.choices
        if isinstance(value, bool | str):
            return True
        low, high = self.low, self.high
        return (low is None or value >= low) and (high is None or value <= high)


def _typed(given: Any, kind: type) -> Value | None:
    """Return a value in the type of an option; None where it has another."""
    if kind is str:
        return given if isinstance(given, str) else None
    if kind is bool:
        words = {"true": True, "false": False}
        return given if isinstance(given, bool) else words.get(str(given).lower())
    if isinstance(given, str):
        try:
            given = int(given) if kind is int else float(given)
        except ValueError:
            return None
    if kind is int:
        return as_whole(given)
    try:
        number = math.nan if isinstance(given, bool) else float(given)
    except (TypeError, ValueError, OverflowError, RuntimeError):  # a tensor of several numbers
        return None
    return number if math.isfinite(number) else None


def text_of(value: Value) -> str:
    """Return how a value is written in a name: ``true``, ``20``, ``7.5``, ``ddim``."""
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


def check_declared(options: Mapping[Any, Any]) -> None:
    """Raise `PandaError` where options are no ``{name: Option}`` of plain names."""
    for name, option in options.items():
        if not isinstance(name, str) or not NAME.fullmatch(name) or not isinstance(option, Option):
            raise PandaError(
                f"option {name!r:.60}: {type(option).__name__}, expected a name of small letters,"
                " digits and _, and an Option"
            )


def read_options(
    declared: Mapping[str, Option], given: Mapping[str, Any], generator: str
) -> dict[str, Value]:
    """Return the values of all options: those that are given, and else the defaults.

    Args:
        declared: The options that there are.
        given: Values by name, as such or as text.
        generator: What is loaded with them, for errors.

    Raises:
        PandaError: For an option that there is not, or a value that it does not take.
    """
    for name in given:
        if name not in declared:
            close = nearest(name, declared) if declared else "; it has none"
            takes = [name for name in declared if f"'{name}'" in close][:1]
            about = "".join(f" It takes {declared[each].takes}" for each in takes)
            raise PandaError(f"{generator} has no option {name!r:.60}{close}{about}")
    return {
        name: option.read(name, given[name]) if name in given else option.default
        for name, option in declared.items()
    }


def options_text(declared: Mapping[str, Option], values: Mapping[str, Value]) -> str:
    """Return the options of a generator's name, ``?steps=20``: those that are not the defaults.

    They stand in the order in which they are declared, so that equal ones have one text.
    """
    changed = [
        f"{name}={text_of(values[name])}"
        for name, option in declared.items()
        if values[name] != option.default
    ]
    return f"?{'&'.join(changed)}" if changed else ""
