"""Parts, appearances and samples in the forms in which people give them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

from torch import Tensor

from panda.errors import PandaError
from panda.factorization.factors import Factors
from panda.factorization.part_names import Parts
from panda.generators.contract import Generator, Latents, State
from panda.generators.seeds import as_whole, parse_numbers

_RANGE = r"\s*[0-9]{1,6}(?:-[0-9]{1,6})?\s*"
_NUMBERS = re.compile(f"{_RANGE}(?:[+,]{_RANGE})*")
_DIGITS = re.compile(r"[-+,\s0-9]*[0-9][-+,\s0-9]*")


def read_parts(parts: Parts) -> tuple[int, ...] | str:
    """Return the numbers of parts, or their names as one text.

    Names become numbers by `Factors.find_parts` alone; this is for edits, which may be written
    down before there are factors.

    Args:
        parts: A whole number, a sequence or array of them, or text such as ``"0+1"``, ``"0,1"``
            and ``"0-3"``. Other text, or several texts, are names.

    Raises:
        PandaError: Where it is none of these.
    """
    if isinstance(parts, str) and parts.strip():
        if _NUMBERS.fullmatch(parts):
            return tuple(parse_numbers(parts.replace("+", ","), "parts"))
        if _DIGITS.fullmatch(parts):
            raise PandaError(f"there are no parts {parts.strip()!r:.60}; expected such as 0+1, 0-3")
        return parts.strip()
    if (number := as_whole(parts)) is not None:
        return (number,)
    if isinstance(parts, Iterable) and not isinstance(parts, str | bytes) and _is_flat(parts):
        items = list(parts)
        numbers = [number for item in items if (number := as_whole(item)) is not None]
        if len(numbers) == len(items):
            return tuple(numbers)
        if all(isinstance(item, str) or as_whole(item) is not None for item in items):
            return "+".join(map(str, items))
    raise PandaError(
        f"parts {parts!r:.60}: expected a number, several such as [0, 1] or '0+1', or the name of a"
        " part"
    )


def _is_flat(parts: object) -> bool:
    return getattr(parts, "ndim", 1) == 1


def read_appearance(appearance: object) -> int | str:
    """Return an appearance as a number, or as text such as ``"p0"`` and ``"bg"``.

    Raises:
        PandaError: Where it is neither a whole number nor text.
    """
    if isinstance(appearance, str):
        text = appearance.strip()
        return int(text) if re.fullmatch("[0-9]{1,6}", text) else text
    if (number := as_whole(appearance)) is not None:
        return number
    raise PandaError(f"appearance {appearance!r:.60}: expected a number, 'p0' or 'bg'")


def as_number(value: object) -> float | None:
    """Return a single number of Python, NumPy or torch as a float; None for anything else."""
    is_bool = isinstance(value, bool) or str(getattr(value, "dtype", "")).endswith("bool")
    if is_bool or isinstance(value, str | bytes) or getattr(value, "ndim", 0) != 0:
        return None
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None


def stop(generator: Generator, factors: Factors, latents: Latents) -> State:
    """Run samples up to the layer of some factors.

    Raises:
        PandaError: Where the factors are not of this generator, or ``latents`` are something else.
    """
    expected: tuple[tuple[object, type, str], ...] = (
        (generator, Generator, "a generator, as create_generator makes it"),
        (factors, Factors, "factors, as fit makes them"),
    )
    for value, kind, words in expected:
        if not isinstance(value, kind):
            raise PandaError(f"a {type(value).__name__} was given, expected {words}")
    generator.check_latents(latents)
    factors.check(generator)
    return generator.head(latents, factors.layer.name)


def resume(generator: Generator, state: State, layer: str, names: Sequence[object] = ()) -> Tensor:
    """Resume a generator at a layer.

    Args:
        generator: The generator.
        state: The state at that layer.
        layer: The layer.
        names: What the samples are called in the error, such as their seeds.

    Returns:
        Images ``[N, channels, H, W]``.

    Raises:
        PandaError: Where a value is not finite, as edits of absurd strength make it.
    """
    images = generator.tail(state, layer)
    if math.isfinite(float(images.sum())):  # much faster than the search
        return images
    for row, finite in enumerate(images.isfinite().flatten(1).all(1).tolist()):
        if not finite:
            name = f" of {names[row]}" if names else ""
            raise PandaError(f"the image{name} came out NaN; the strength is too large")
    return images
