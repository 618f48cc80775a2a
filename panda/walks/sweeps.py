"""Edits whose strength changes along a walk: ``smile:-1..2``, ``all:me/photo0:0..1..0``.

Each has one strength or several, from ``..`` to ``..``, at equal times from each other.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from panda.editing.apply import check_edit
from panda.editing.edits import Edit, Edits, as_edits, find_edits, listed
from panda.editing.places import is_folder, is_mask
from panda.editing.syntax import NUMBER, SOURCE
from panda.errors import PandaError
from panda.factorization.factors import Factors
from panda.files.tilde import expand
from panda.generators.contract import Generator
from panda.inversion.inversion import TENSORS
from panda.walks.course import Course

SWEEP = re.compile(
    rf"(?P<what>.+):(?P<strengths>{NUMBER}(?:\.\.{NUMBER})+)(?P<rest>(?:sd)?(?:@[\w.@*-]{{1,100}})?)"
)
"""An edit with several strengths. Names of layers may follow, as after any edit."""


@dataclass(frozen=True)
class Sweep:
    """One edit, or those of one name, and how many times their strength they have at each time.

    Attributes:
        text: How it was written.
        edits: The edits at a strength of 1, or those of a name at their own.
        times: One or more.
    """

    text: str
    edits: tuple[Edit, ...]
    times: tuple[float, ...]

    def at(self, course: Course, frame: int) -> list[Edit]:
        """Return the edits of a frame."""
        start, end, share = course.place(frame, len(self.times))
        times = (1 - share) * self.times[start] + share * self.times[end]
        return self._so_strong(times)

    def check(self, generator: Generator, factors: Factors) -> None:
        """Raise `PandaError` where an edit is not possible at one of the strengths."""
        for times in self.times:
            for edit in self._so_strong(times):
                if is_folder(edit.place) or (edit.mask is not None and edit.mask.values.ndim == 3):
                    raise PandaError(
                        f"{edit}: samples on the way have no masks of their own; give one mask, or"
                        " a place that is seen in each sample, such as face/hair"
                    )
                check_edit(generator, factors, edit)

    def files(self) -> dict[str, str]:
        """Return the sha256 of each file that the edits name."""
        found = {}
        for edit in self.edits:
            paths = [edit.place] if is_mask(edit.place) and edit.mask is None else []
            match = re.fullmatch(SOURCE, str(edit.appearance))
            if match is not None and (match["file"] or match["folder"]):
                paths.append(match["file"] or f"{match['folder']}/{TENSORS}")
            for path in paths:
                found[path] = hashlib.sha256(expand(Path(path)).read_bytes()).hexdigest()
        return found

    def _so_strong(self, times: float) -> list[Edit]:
        return [replace(edit, strength=times * edit.strength) for edit in self.edits]


def find_sweeps(edits: Edits, factors: Factors) -> list[Sweep]:
    """Return edits, each with one strength or several.

    Args:
        edits: An `Edit`, text, or several of both; see `SWEEP` and
            `panda.editing.edits.find_edits`.
        factors: What parts and appearances count.

    Raises:
        PandaError: Where something is no edit, or one for other factors.
    """
    return [_find(edit, factors) for edit in listed(edits)]


def _find(edit: Edit | str, factors: Factors) -> Sweep:
    match = SWEEP.fullmatch(str(edit).strip()) if isinstance(edit, str) else None
    if match is None:
        return Sweep(str(edit), tuple(as_edits(edit, factors)), (1.0,))
    strengths = tuple(float(number) for number in match["strengths"].split(".."))
    if not all(abs(strength) < 1e9 for strength in strengths):
        raise PandaError(f"{edit!r:.60}: expected finite strengths below 1e9")
    single = f"{match['what']}:1{match['rest']}"
    return Sweep(str(edit), tuple(find_edits(single, factors)), strengths)


def first_strengths(edits: Iterable[Edit | str]) -> list[Edit | str]:
    """Return edits without ranges, by which the factors that they are for can be looked up."""
    plain: list[Edit | str] = []
    for edit in edits:
        match = SWEEP.fullmatch(edit.strip()) if isinstance(edit, str) else None
        plain.append(edit if match is None else f"{match['what']}:1{match['rest']}")
    return plain
