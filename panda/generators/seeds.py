"""Seeds and other whole numbers as users write them: ``0-999``, ``3,5,10-20``."""

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
"""What `as_seeds` takes; ``Any`` stands for arrays of NumPy and torch."""

EVALUATION, SELECTION = 1_000_000, 2_000_000
"""The first seed that figures are measured on, and the first that settings are chosen on.

Fits take seeds from zero, so that nothing is fitted, chosen and scored on the same samples.
"""


def evaluation_seeds(count: int) -> range:
    """Return ``count`` seeds for measurements, which no fit and no choice has used."""
    return range(EVALUATION, EVALUATION + count)


def selection_seeds(count: int) -> range:
    """Return ``count`` seeds for choices, which no fit has used and no figure is measured on."""
    return range(SELECTION, SELECTION + count)


def parse_numbers(text: str, what: str = "seeds") -> list[int]:
    """Read numbers and ranges (both ends included), in their order.

    Args:
        text: Such as ``"0-999"`` or ``"3,5,10-20"``.
        what: The word for these numbers in errors.

    Raises:
        PandaError: Where the text is something else, a range runs backwards, or a number appears
            twice or is larger than 2^32 - 1.
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
            ``"0-19"`` or ``"3,5,10-20"``, or a whole number n for the n seeds 0 to n - 1.

    Returns:
        A tuple, or the range itself for a range, so that long ones take no memory.

    Raises:
        PandaError: Where there is no seed, or one is not a whole number from 0 to 2^32 - 1.
    """
    if isinstance(seeds, str):
        return tuple(parse_numbers(seeds))
    if (count := as_whole(seeds)) is not None:
        seeds = range(count)
        if count < 1:
            raise PandaError(f"{count} seeds were asked for, expected at least one")
    elif getattr(seeds, "ndim", 1) == 0 or not isinstance(seeds, Iterable):
        raise PandaError(
            f"seeds {_plain(seeds)!r:.60}: expected whole numbers, such as range(20), or '0-19'"
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


def as_plain(value: Any) -> Any:
    """Return a whole number as an int, and anything else as it is."""
    return value if (whole := as_whole(value)) is None else whole


def _check_seed(seed: object) -> int:
    whole = as_whole(seed)
    if whole is None or not 0 <= whole < LIMIT:
        raise PandaError(f"seed {_plain(seed)!r:.60} is not a whole number from 0 to 2**32 - 1")
    return whole


def _plain(value: Any) -> object:
    """Return a scalar of NumPy or torch as Python's, which its text shows plainly."""
    return value.item() if getattr(value, "ndim", None) == 0 else value


def seeded_normal(seeds: Seeds, *shape: int) -> np.ndarray:
    """Return standard normal draws ``[N, *shape]`` float32, row i from ``RandomState(seeds[i])``.

    NVIDIA's and PandA's released code draws so for a batch of one, so that a seed gives the same
    face in all of them.
    """
    import numpy as np

    rows = [stream.randn(*shape) for stream in random_states(seeds)]
    return np.stack(rows).astype(np.float32)


def random_states(seeds: Seeds) -> list[np.random.RandomState]:
    """Return a stream of random numbers for each seed; raises `PandaError` as `as_seeds` does."""
    import numpy as np

    return [np.random.RandomState(seed) for seed in as_seeds(seeds)]


def as_count(value: object, what: str) -> int:
    """Return a number of things as an int, whether it is of Python, NumPy or torch.

    Args:
        value: The number.
        what: What it counts, such as ``"steps"``.

    Raises:
        PandaError: Where it is not a whole number, or less than one.
    """
    whole = as_whole(value)
    if whole is None:
        raise PandaError(f"{value!r:.60} {what}, expected a whole number")
    if whole < 1:
        raise PandaError(f"{whole} {what}, expected at least one")
    return whole


def as_counts(values: Seeds, what: str) -> tuple[int, ...]:
    """Return several such numbers: of a sequence, array or text such as ``"4,8"``, or a single one.

    Raises:
        PandaError: As `as_count` does for each, and where there is none.
    """
    if isinstance(values, str):
        values = parse_numbers(values, what)
    elif as_whole(values) is not None or not isinstance(values, Iterable):
        values = (values,)
    if not (counts := tuple(as_count(value, what) for value in values)):
        raise PandaError(f"no {what} were given; at least one is needed")
    return counts
