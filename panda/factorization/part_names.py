"""Parts by number or by name: ``3``, ``"0+1"``, ``"0-3"``, ``[0, 1]``, ``"hair"``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from panda.errors import PandaError, nearest
from panda.generators.seeds import as_whole

Parts = int | str | Iterable[int | str] | Any
"""What `find_parts` takes; arrays of NumPy and torch are among ``Any``."""


def part_names(config: Mapping[str, Any], count: int) -> tuple[str, ...]:
    """Return the names of ``count`` parts; none until `panda name` has named them."""
    try:
        names = [part["name"] for part in config["names"]["parts"]]
    except (KeyError, TypeError):
        return ()
    complete = len(names) == count and all(isinstance(name, str) for name in names)
    return tuple(names) if complete else ()


def find_parts(parts: Parts, count: int, names: Sequence[str]) -> tuple[int, ...]:
    """Return part numbers below ``count``, each once, in the order in which they are asked for.

    Args:
        parts: See `panda.factorization.factors.Factors.find_parts`.
        count: The number of parts, R_S.
        names: The name of each part, or none.

    Raises:
        PandaError: Where there is no such part.
    """
    chosen: dict[int, None] = {}
    if isinstance(parts, str):
        for piece in _pieces(parts, names):
            chosen |= dict.fromkeys(_by_text(piece, count, names))
    elif (number := as_whole(parts)) is not None:
        chosen[_checked(number, count)] = None
    elif isinstance(parts, Iterable) and getattr(parts, "ndim", 1) == 1:
        for part in parts:
            chosen |= dict.fromkeys(find_parts(part, count, names))
    else:
        raise PandaError(
            f"parts {parts!r:.60}: expected whole numbers from 0 to {count - 1}, or names of parts"
        )
    return tuple(chosen)


def _pieces(text: str, names: Sequence[str]) -> list[str]:
    """Split at plus signs and commas, but for those of a name: the longest one counts."""
    known = {name.strip().casefold() for name in names}
    longest = max((len(_words(name)) for name in known), default=1)
    words, pieces, start = _words(text), [], 0
    while start < len(words):
        ends = range(min(start + longest, len(words)), start, -2)
        joined = {end: "".join(words[start:end]) for end in ends}
        named = [end for end in ends if joined[end].strip().casefold() in known]
        end = named[0] if named else start + 1
        pieces.append(joined[end])
        start = end + 1
    return pieces


def _words(text: str) -> list[str]:
    """Return words at even places, and the plus signs and commas between them at odd ones."""
    return re.split("([+,])", text)


def _by_text(text: str, count: int, names: Sequence[str]) -> Sequence[int]:
    """Return the parts of a number, a range or a name.

    A name is that of all parts that have it, or else of all that have it among others.
    """
    text = text.strip()
    if match := re.fullmatch(r"(-?\d{1,1000})(?:-(\d{1,1000}))?", text, re.ASCII):
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise PandaError(f"parts {text}: the range runs backwards")
        return range(_checked(first, count), _checked(last, count) + 1)
    if not names:
        raise PandaError(
            f"parts {text!r:.60}: these parts have no names yet; give numbers from 0 to"
            f" {count - 1}, or run 'panda name FACTORS' first"
        )
    wanted = text.casefold()
    listed = [[name.strip() for name in whole.casefold().split(",")] for whole in names]
    whole = [part for part, name in enumerate(names) if name.casefold() == wanted]
    among = [part for part, several in enumerate(listed) if wanted in several]
    if not (whole or among):
        known = dict.fromkeys([*names, *(name for several in listed for name in several)])
        raise PandaError(f"there is no part {text!r:.60}{nearest(text, known)}")
    return whole or among


def _checked(part: int, count: int) -> int:
    if not 0 <= part < count:
        raise PandaError(f"part {part}: these factors have parts 0 to {count - 1}")
    return part
