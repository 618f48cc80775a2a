"""Options of a network that no tensor shows: recorded by the file, set by the user, or assumed.

NVIDIA's pickles and Hugging Face's folders record the arguments of the constructor, and what they
leave out has the constructor's default. State dicts (genforce, rosinality, Andrew Brock) record
nothing: there `read_options` warns of every option that it assumes.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from panda.checkpoints.checkpoint import Checkpoint
from panda.errors import PandaError, PandaWarning, nearest


@dataclass(frozen=True)
class Option:
    """An argument of the original constructor that changes what the network computes.

    Attributes:
        name: Its name in the original code.
        default: Its value there, unless another is given.
        valid: Whether the plugin's network can have this value.
        expected: The valid values, for messages.
        sets: What it sets in the plugin's network; empty where there is but one valid value.
    """

    name: str
    default: Any
    valid: Callable[[Any], bool]
    expected: str
    sets: str = ""


def one_of(name: str, *values: Any, sets: str = "") -> Option:
    """Return an option with these values alone; the first is the default."""

    def valid(value: Any) -> bool:
        return any(type(value) is type(other) and value == other for other in values)

    return Option(name, values[0], valid, " or ".join(map(json.dumps, values)), sets)


def number(name: str, default: float | None, *, sets: str, optional: bool = False) -> Option:
    """Return an option that is a number from 0 to 2^32, or null where it is optional."""

    def valid(value: Any) -> bool:
        return optional if value is None else type(value) in (int, float) and 0 <= value <= 1 << 32

    return Option(name, default, valid, "a number from 0 to 2^32" + " or null" * optional, sets)


def count(name: str, default: int, *, sets: str, low: int = 0) -> Option:
    """Return an option that is a whole number from ``low`` to 65536."""

    def valid(value: Any) -> bool:
        return type(value) is int and low <= value <= 1 << 16

    return Option(name, default, valid, f"a whole number from {low} to 65536", sets)


def taps(name: str, *default: float, sets: str) -> Option:
    """Return an option that is a filter with as many taps as the default, which do not sum to 0."""

    def valid(value: Any) -> bool:
        return (
            isinstance(value, list)
            and len(value) == len(default)
            and all(type(tap) in (int, float) and abs(tap) < 1e6 for tap in value)
            and sum(value) != 0
        )

    return Option(name, list(default), valid, f"{len(default)} numbers that do not sum to 0", sets)


def outer(taps: Sequence[float]) -> Tensor:
    """Return the normalized filter ``[K, K]`` with these taps in rows and in columns."""
    row = torch.tensor(taps, dtype=torch.float32)
    return torch.outer(row, row) / row.sum().square()


def said(checkpoint: Checkpoint, name: str, value: Any) -> str:
    """Return an option with its value and who gave it, the file or the user, for messages."""
    if name not in checkpoint.options:
        return f"the file says {name}={value!r:.80}"
    written = value if isinstance(value, str) else json.dumps(value)
    return f"--set {name}={written:.80}"


def read_options(
    architecture: str,
    checkpoint: Checkpoint,
    options: Iterable[Option],
    *,
    record: Mapping[str, Any] | None = None,
    shown: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return what the options set, by its name, and warn of those that are assumed.

    What the user has set goes first, then what the file records, what the tensors show and the
    default. Only a file that records nothing leaves anything to be assumed.

    Args:
        architecture: Name of the architecture, for messages.
        checkpoint: The content of the file.
        options: The options of this kind of file.
        record: What the file records; by default its ``config``.
        shown: The values of options that the tensors of this file show.

    Raises:
        PandaError: A value is not valid, or the user has set an option that there is not.
    """
    known = {option.name: option for option in options}
    for name in checkpoint.options:
        if name not in known:
            raise PandaError(f"this {architecture} has no option {name!r}{nearest(name, known)}")
    given = {**(checkpoint.config if record is None else record), **checkpoint.options}
    for name, option in known.items():
        if name in given and not option.valid(given[name]):
            raise PandaError(f"{said(checkpoint, name, given[name])}, expected {option.expected}")
    values = {**(shown or {}), **given}
    assumed = [option for name, option in known.items() if name not in values]
    if assumed and not checkpoint.config:
        listed = ", ".join(f"{option.name}={json.dumps(option.default)}" for option in assumed)
        warnings.warn(
            f"{checkpoint.source or 'the file'} does not say how its {architecture} was made:"
            f" {listed} is assumed, and images are wrong where that does not hold; 'panda convert"
            " FILE --set NAME=VALUE --out NEW.safetensors' records what holds",
            PandaWarning,
            stacklevel=2,
        )
    return {
        option.sets: values.get(name, option.default)
        for name, option in known.items()
        if option.sets
    }
