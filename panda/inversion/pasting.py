"""Edits of an inversion, put back into the photographs that it came from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from panda import __version__
from panda.errors import PandaError, nearest
from panda.inversion.inversion import Inversion
from panda.photographs.originals import (
    SUFFIXES,
    Original,
    check_pasting,
    check_unchanged,
    kind_of,
    suffix_of,
)
from panda.photographs.paste import Levels, Patch, paste, patch_of
from panda.photographs.place import Place, places_of

SAME = "same"
"""In place of a kind: that of the photograph."""

KINDS = (SAME, *(suffix.removeprefix(".") for suffix in SUFFIXES))


@dataclass(frozen=True, eq=False)
class Pasted:
    """An edited photograph, in memory.

    Attributes:
        name: For its file; of those of one inversion each has another.
        original: The photograph before.
        levels: The pixels ``[H, W, C]`` now, upright.
        record: What its metadata say of the edit.
    """

    name: str
    original: Original
    levels: Levels
    record: Mapping[str, Any]

    def save(self, path: Path) -> Path:
        """Write it, and return the path; raise `PandaError` where that cannot be."""
        self.original.save(self.levels, path, self.record)
        return path


class Pasting:
    """The photographs of an inversion, in which its pictures are edited one after the other.

    Args:
        inversion: What is edited.
        record: What their metadata say of the edit, such as ``{"edits": "smile:1"}``.
        kind: One of `KINDS`.
        taken: Names that no photograph is to have, since other files beside it do.

    Raises:
        PandaError: A picture came from no file, a file has changed or can hold no edit, two
            pictures are one place of a photograph, or there is no such kind.
    """

    def __init__(
        self,
        inversion: Inversion,
        record: Mapping[str, Any],
        kind: str = SAME,
        taken: Iterable[str] = (),
    ) -> None:
        if kind not in KINDS:
            raise PandaError(f"there is no kind of picture {kind!r:.40}{nearest(kind, KINDS)}")
        if kind != SAME:
            kind_of(Path(f"photograph.{kind}"))
        self._kind = kind
        self._record = {"version": __version__, "generator": inversion.generator, **record}
        self._places = _of_files(inversion)
        for origin in {place.origin for place in self._places}:
            check_unchanged(origin)
            path = Path(origin.path)
            check_pasting(path, path.with_suffix(self._suffix(path)))
        self._left = Counter(place.origin.path for place in self._places)
        self._patches: dict[str, list[tuple[Place, Patch]]] = {}
        self._names = {name.casefold() for name in taken}

    def add(self, row: int, before: Tensor, after: Tensor) -> Pasted | None:
        """Take an edited picture; return its photograph once all pictures of it are there.

        Args:
            row: Which picture of the inversion.
            before: What its latents make, ``[C, h, w]`` in [-1, 1].
            after: What the edit made of it.

        Raises:
            PandaError: The photograph cannot be read, or is of a kind that cannot be put together.
        """
        place = self._places[row]
        path = place.origin.path
        patches = self._patches.setdefault(path, [])
        if patch := patch_of(before, after):
            patches.append((place, patch))
        self._left[path] -= 1
        return None if self._left[path] else self._paste(place, self._patches.pop(path))

    def _paste(self, place: Place, patches: list[tuple[Place, Patch]]) -> Pasted:
        original = Original.open(place.origin)
        levels: Levels = original.levels
        for each, patch in patches:
            levels = paste(levels, patch, each.square)
        record = {"sha256": place.origin.sha256, **self._record}
        return Pasted(self._name(original.path), original, levels, record)

    def _name(self, path: Path) -> str:
        """Return the name of a photograph, and of others of this name another one."""
        suffix = self._suffix(path)
        name, number = path.stem + suffix, 1
        while name.casefold() in self._names:  # which some file systems do not tell apart
            number += 1
            name = f"{path.stem}-{number}{suffix}"
        self._names.add(name.casefold())
        return name

    def _suffix(self, path: Path) -> str:
        return suffix_of(path) if self._kind == SAME else f".{self._kind}"


def _of_files(inversion: Inversion) -> list[Place]:
    """Return the place of each picture, in a file and of no other; raise `PandaError` else."""
    places = places_of(inversion.config)
    missing = [row for row, place in enumerate(places) if place is None]
    if missing:
        raise PandaError(
            f"picture {missing[0]} of this inversion came from no file, so that there is no"
            " photograph to put it back into"
        )
    known = [place for place in places if place is not None]
    for row, place in enumerate(known):
        if (first := known.index(place)) < row:
            raise PandaError(
                f"pictures {first} and {row} of this inversion are one place of"
                f" {place.origin.path}, which would be edited twice; invert it once"
            )
    return known
