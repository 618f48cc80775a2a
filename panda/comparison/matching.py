"""Which part of one generator is which part of another: optimal assignment on maps of the image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from torch import Tensor

from panda.comparison.results import Match, Matching, MatchRow
from panda.naming.matching import assign, correlations

SAME = 0.5
"""The least correlation of two maps that are of the same concept."""

GAIN = 0.05
"""Pieces make up a concept together where each of them raises the correlation by as much."""


def match(
    level: int, kind: str, maps: Mapping[str, Tensor], names: Mapping[str, Sequence[str]]
) -> Matching:
    """Match the parts, or the appearances, of all generators at one level.

    Rows are those of the reference: the generator whose assignments to all others are the most
    similar, the first one where there are several.

    Args:
        level: The level.
        kind: ``"parts"`` or ``"appearances"``.
        maps: ``[K, ...]`` by the generator's name, of one shape but for K.
        names: What each of the K is called, by the generator's name.
    """
    signed = kind == "parts"
    similarity = {
        (name, other): correlations(maps[name], maps[other], signed=signed)
        for name in maps
        for other in maps
    }
    pairs = {key: assign(values) for key, values in similarity.items()}

    def total(name: str) -> float:
        return sum(_mean(similarity[name, other], pairs[name, other]) for other in maps)

    reference = max(maps, key=lambda name: round(total(name), 9))
    matches = {}
    for other in maps:
        pair = reference, other
        matches[other] = _matches(
            maps[reference], maps[other], similarity[pair], pairs[pair], signed
        )
    rows = tuple(
        MatchRow(name, {other: by_row[row] for other, by_row in matches.items() if row in by_row})
        for row, name in enumerate(names[reference])
    )
    left = {
        other: tuple(
            k for k in range(len(maps[other])) if not _is_matched(k, matches[other].values())
        )
        for other in maps
    }
    return Matching(level, kind, reference, rows, left)


def _mean(similarity: Tensor, pairs: Mapping[int, int]) -> float:
    return sum(float(similarity[row, column]) for row, column in pairs.items()) / len(pairs)


def _matches(
    maps: Tensor, others: Tensor, similarity: Tensor, pairs: Mapping[int, int], pieces: bool
) -> dict[int, Match]:
    """Return the match of each of the maps among those of another generator, by index."""
    taken = {column for row, column in pairs.items() if float(similarity[row, column]) >= SAME}
    matches = {}
    for row, column in pairs.items():
        alone = float(similarity[row, column])
        free = [k for k in range(len(others)) if k not in taken and k != column]
        chosen, together = _pieces(maps[row], others, column, free) if pieces else ([], alone)
        if len(chosen) > 1 and together >= SAME:
            taken |= set(chosen)  # a piece belongs to a single concept
            matches[row] = Match(column, alone, "splits", tuple(chosen))
        else:
            matches[row] = Match(column, alone, "same" if alone >= SAME else "lacks")
    return matches


def _pieces(
    wanted: Tensor, maps: Tensor, first: int, free: Sequence[int]
) -> tuple[list[int], float]:
    """Return the maps whose sum is most similar to the wanted one, and the correlation.

    They are added while each of them raises it by `GAIN`.
    """

    def similarity(chosen: Sequence[int]) -> float:
        return float(correlations(wanted[None], maps[list(chosen)].sum(0)[None]))

    chosen, best = [first], similarity([first])
    for _ in free:
        rest = [k for k in free if k not in chosen]
        added = max(rest, key=lambda k: similarity([*chosen, k]), default=None)
        if added is None or similarity([*chosen, added]) < best + GAIN:
            break
        chosen.append(added)
        best = similarity(chosen)
    return chosen, best


def _is_matched(index: int, matches: Iterable[Match]) -> bool:
    """Return whether a part corresponds to a concept of the reference's, alone or as a piece."""
    return any(
        index in match.pieces or (match.verdict == "same" and match.index == index)
        for match in matches
    )
