"""Seeds and other whole numbers as people write them: ``0-999``, ``3,5,10-20``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from numbers import Integral
from typing import TYPE_CHECKING

from panda.errors import PandaError

if TYPE_CHECKING:
    import numpy as np

LIMIT = 2**32

EVALUATION, SELECTION = 1_000_000, 2_000_000
"""The first of the seeds that figures are measured on, and of those that settings are chosen on.

Fits take seeds from zero, so nothing is fitted, chosen and scored on the same samples.
"""


def evaluation_seeds(count: int) -> range:
    """Return ``count`` seeds to measure on, which no fit and no choice has seen."""
    return range(EVALUATION, EVALUATION + count)


def selection_seeds(count: int) -> range:
    """Return ``count`` seeds to choose on, which no fit has seen and no figure is measured on."""
    return range(SELECTION, SELECTION + count)


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


def seeded_normal(seeds: Sequence[int], *shape: int) -> np.ndarray:
    """Standard normal draws ``[N, *shape]`` float32, row i from ``RandomState(seeds[i])``.

    The convention of NVIDIA's and PandA's released code for a batch of one, so that seed numbers
    mean the same faces there and here.
    """
    import numpy as np

    rows = [stream.randn(*shape) for stream in random_states(seeds)]
    return np.stack(rows).astype(np.float32)


def random_states(seeds: Sequence[int]) -> list[np.random.RandomState]:
    """One stream of random numbers per seed.

    Raises `PandaError` where there is no seed, and for one that is not within 0 and 2**32 - 1.
    """
    import numpy as np

    for seed in seeds:
        if not (isinstance(seed, Integral) and 0 <= seed < 2**32):
            raise PandaError(f"seed {seed!r} is not a whole number from 0 to 2**32 - 1")
    if not seeds:
        raise PandaError("no seeds were given; at least one is needed")
    return [np.random.RandomState(seed) for seed in seeds]
