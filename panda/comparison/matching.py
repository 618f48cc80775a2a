"""Which part of one generator is which part of another: optimal assignment on maps of the image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from torch import Tensor

from panda.comparison.results import Match, Matching, MatchRow
from panda.naming.matching import assign, correlations

ALIKE = 0.5
"""The correlation from which on two maps are said to be of the same concept."""

GAIN = 0.05
"""Pieces make up a concept together where each of them raises the correlation by as much."""


def match(
    level: int, kind: str, maps: Mapping[str, Tensor], names: Mapping[str, Sequence[str]]
) -> Matching:
    """Match the parts (or appearances, by ``kind``) of all generators at one level.

    ``maps`` are ``{generator: [K, ...]}``, of one shape but for K; ``names`` say what each of the K
    is. Rows are those of the reference: the generator whose assignments to all others are the most
    alike, the first one where there are several.
    """
    signed = kind == "parts"
    likeness = {
        (one, other): correlations(maps[one], maps[other], signed=signed)
        for one in maps
        for other in maps
    }
    pairs = {key: assign(values) for key, values in likeness.items()}

    def total(one: str) -> float:
        return sum(_mean(likeness[one, other], pairs[one, other]) for other in maps)

    reference = max(maps, key=lambda name: round(total(name), 9))
    found = {}
    for other in maps:
        pair = reference, other
        found[other] = _matches(maps[reference], maps[other], likeness[pair], pairs[pair], signed)
    rows = tuple(
        MatchRow(
            name, {other: matches[index] for other, matches in found.items() if index in matches}
        )
        for index, name in enumerate(names[reference])
    )
    left = {
        other: tuple(k for k in range(len(maps[other])) if not _stands(k, found[other].values()))
        for other in maps
    }
    return Matching(level, kind, reference, rows, left)


def _mean(likeness: Tensor, pairs: Mapping[int, int]) -> float:
    return sum(float(likeness[row, column]) for row, column in pairs.items()) / len(pairs)


def _matches(
    ours: Tensor, theirs: Tensor, likeness: Tensor, pairs: Mapping[int, int], pieces: bool
) -> dict[int, Match]:
    """For each part of ours what stands for it among theirs."""
    taken = {column for row, column in pairs.items() if float(likeness[row, column]) >= ALIKE}
    found = {}
    for row, column in pairs.items():
        alike = float(likeness[row, column])
        free = [k for k in range(len(theirs)) if k not in taken and k != column]
        chosen, together = _pieces(ours[row], theirs, column, free) if pieces else ([], alike)
        if len(chosen) > 1 and together >= ALIKE:
            taken |= set(chosen)  # a piece is one of a single concept
            found[row] = Match(column, alike, "splits", tuple(chosen))
        else:
            found[row] = Match(column, alike, "same" if alike >= ALIKE else "lacks")
    return found


def _pieces(
    wanted: Tensor, theirs: Tensor, first: int, free: Sequence[int]
) -> tuple[list[int], float]:
    """Parts whose sum is most like the wanted map, added while each makes it more alike."""

    def alike(chosen: Sequence[int]) -> float:
        return float(correlations(wanted[None], theirs[list(chosen)].sum(0)[None]))

    chosen, best = [first], alike([first])
    for _ in free:
        rest = [k for k in free if k not in chosen]
        gained = max(rest, key=lambda k: alike([*chosen, k]), default=None)
        if gained is None or alike([*chosen, gained]) < best + GAIN:
            break
        chosen.append(gained)
        best = alike(chosen)
    return chosen, best


def _stands(index: int, matches: Iterable[Match]) -> bool:
    """Whether a part stands for a concept of the reference's, alone or as a piece."""
    return any(
        index in match.pieces or (match.verdict == "same" and match.index == index)
        for match in matches
    )
