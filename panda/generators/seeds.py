"""Seeds and other whole numbers as people write them: ``0-999``, ``3,5,10-20``."""

from __future__ import annotations

import operator
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from panda.errors import PandaError

if TYPE_CHECKING:
    import numpy as np

LIMIT = 2**32

Seeds = int | str | Iterable[int] | Any
"""What `as_seeds` takes; arrays of NumPy and torch are among ``Any``."""

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


def as_seeds(seeds: Seeds) -> Sequence[int]:
    """Return seeds as plain numbers, whatever form they come in.

    Args:
        seeds: A sequence or array of whole numbers (list, range, NumPy, torch), text such as
            ``"0-19"`` or ``"3,5,10-20"``, or one whole number n for the n seeds 0 to n - 1.

    Returns:
        A tuple, or the range itself where one was given, so that long ones take no memory.

    Raises:
        PandaError: Where there is no seed, or one is not a whole number from 0 to 2^32 - 1.
    """
    if isinstance(seeds, str):
        return tuple(parse_numbers(seeds))
    if (count := as_whole(seeds)) is not None:
        seeds = range(count)
    elif not isinstance(seeds, Iterable):
        raise PandaError(
            f"seeds {seeds!r:.60}: expected whole numbers, such as range(20), or '0-19'"
        )
    if isinstance(seeds, range):
        for seed in (*seeds[:1], *seeds[-1:]):
            _check_seed(seed)
        plain: Sequence[int] = seeds
    else:
        plain = tuple(_check_seed(seed) for seed in seeds)
    if not plain:
        raise PandaError("no seeds were given; at least one is needed")
    return plain


def seeds_text(seeds: Sequence[int], most: int = 4) -> str:
    """Return seeds in words, such as ``seeds 0-3, 7``, of which ``most`` runs are named."""
    runs: list[list[int]] = []
    for seed in seeds:
        if runs and seed == runs[-1][1] + 1:
            runs[-1][1] = seed
        else:
            runs.append([seed, seed])
    named = [f"{first}-{last}" if last > first else f"{first}" for first, last in runs[:most]]
    more = ["..."] if runs[most:] else []
    return f"seed{'' if len(seeds) == 1 else 's'} {', '.join([*named, *more]) or 'none'}"


def as_whole(value: object) -> int | None:
    """Return a Python, NumPy or torch whole number as an int; None for anything else."""
    is_bool = isinstance(value, bool) or str(getattr(value, "dtype", "")) == "torch.bool"
    if is_bool or getattr(value, "ndim", 0) != 0:
        return None
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        return None


def _check_seed(seed: object) -> int:
    whole = as_whole(seed)
    if whole is None or not 0 <= whole < LIMIT:
        raise PandaError(f"seed {seed!r:.60} is not a whole number from 0 to 2**32 - 1")
    return whole


def seeded_normal(seeds: Seeds, *shape: int) -> np.ndarray:
    """Standard normal draws ``[N, *shape]`` float32, row i from ``RandomState(seeds[i])``.

    The convention of NVIDIA's and PandA's released code for a batch of one, so that seed numbers
    mean the same faces there and here.
    """
    import numpy as np

    rows = [stream.randn(*shape) for stream in random_states(seeds)]
    return np.stack(rows).astype(np.float32)


def random_states(seeds: Seeds) -> list[np.random.RandomState]:
    """Return one stream of random numbers for each seed; raises `PandaError` as `as_seeds` does."""
    import numpy as np

    return [np.random.RandomState(seed) for seed in as_seeds(seeds)]
