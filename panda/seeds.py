"""Seeds and other whole numbers as people write them: ``0-999``, ``3,5,10-20``."""

from __future__ import annotations

import re

from panda.errors import PandaError

LIMIT = 2**32


def parse_numbers(text: str, what: str = "seeds") -> list[int]:
    """Read numbers and ranges (both ends included), in the order given.

    Raises `PandaError` where the text is something else, a range runs backwards, a number is given
    twice, or one is beyond 2^32 - 1.
    """
    numbers: list[int] = []
    for piece in text.split(","):
        match = re.fullmatch(r"\s*([0-9]{1,10})(?:-([0-9]{1,10}))?\s*", piece)
        if match is None:
            raise PandaError(f"{what} {text!r} cannot be read; expected such as 0-999 or 3,5,10-20")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise PandaError(f"{what} {text!r}: the range {piece.strip()} runs backwards")
        if last >= LIMIT or last - first >= 10**7:
            raise PandaError(f"{what} {text!r}: {piece.strip()} is too large")
        numbers += range(first, last + 1)
    if len(set(numbers)) != len(numbers):
        raise PandaError(f"{what} {text!r} names one more than once")
    return numbers
