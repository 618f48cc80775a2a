"""The same edit in other generators: parts and appearances matched, then edited side by side."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from PIL import Image
from torch import Tensor

from panda.editing.edits import REMOVE, Edit, edit_images
from panda.errors import PandaError
from panda.factorization.factors import Factors
from panda.generators.contract import Generator
from panda.images import to_picture
from panda.naming.marks import MARK, both_ways, mark
from panda.naming.matching import assign, correlations, image_maps
from panda.studio.session import Canvas

AXES = 6
"""Own appearances of a part among which a match is looked for."""

SAMPLES = 2
"""Samples that marks of appearances are taken of."""

PICTURE = 320


@dataclass(frozen=True)
class MatchedEdit:
    """An edit of another generator, and how alike its part and its appearance are, in [-1, 1]."""

    edit: Edit
    part: float
    appearance: float


@dataclass(frozen=True)
class Side:
    """One generator of the comparison."""

    generator: str
    sample: str
    before: Image.Image
    after: Image.Image
    matches: tuple[MatchedEdit, ...]


class Matcher:
    """Finds what stands for the parts and appearances of ``ours`` in other factors."""

    def __init__(self, generator: Generator, ours: Factors) -> None:
        self._generator, self._ours = generator, ours
        self._marks: dict[tuple[int, int], Tensor] = {}

    def match(self, edit: Edit, generator: Generator, theirs: Factors) -> MatchedEdit:
        """The edit of ``generator`` that is most like ours, of the same strength.

        Its sign is turned where the appearance runs the other way. Parts are paired by optimal
        assignment of their maps (`panda.naming.matching`), appearances by what they change.
        Raises `PandaError` for edits of several parts or of appearances that are no part's own.
        """
        axis = _axis(edit)
        likeness = correlations(*(image_maps(f.masks, f.layer) for f in (self._ours, theirs)))
        part = assign(likeness).get(edit.parts[0])
        if part is None:
            raise PandaError(f"{generator.name} has fewer parts; none is left for {edit.parts[0]}")
        alike = float(likeness[edit.parts[0], part])
        if axis is None:
            return MatchedEdit(replace(edit, parts=(part,)), alike, 1.0)
        mine = self._mark(edit.parts[0], axis)[None]
        count = min(AXES, theirs.own.shape[1])
        marks = torch.stack([_mark_of(generator, theirs, part, k) for k in range(count)])
        found = correlations(mine, marks, signed=False)[0]
        best = int(found.argmax())
        sign = 1 if float((mine[0] * marks[best]).sum()) >= 0 else -1
        edit = replace(edit, parts=(part,), appearance=f"p{best}", strength=sign * edit.strength)
        return MatchedEdit(edit, alike, float(found[best]))

    def _mark(self, part: int, axis: int) -> Tensor:
        if (part, axis) not in self._marks:
            self._marks[part, axis] = _mark_of(self._generator, self._ours, part, axis)
        return self._marks[part, axis]


def compare_edits(
    matcher: Matcher,
    edits: list[Edit],
    generator: Generator,
    factors: Factors,
    seed: int,
    *,
    refined: bool = False,
) -> Side:
    """The matched edits on a sample of another generator, of its usual truncation."""
    matches = tuple(matcher.match(edit, generator, factors) for edit in edits)
    latents = generator.sample([seed], truncation=generator.usual_truncation)
    before = generator.forward(latents)
    wanted = [match.edit for match in matches]
    after = edit_images(generator, factors, latents, wanted, refined=refined)
    return _side(generator, f"seed-{seed}", before, after, matches)


def own_side(canvas: Canvas, edits: list[Edit], refined: bool, sample: str) -> Side:
    """What is on the stage, beside the others."""
    matches = tuple(MatchedEdit(edit, 1.0, 1.0) for edit in edits)
    after = canvas.images([edits], refined)
    return _side(canvas.generator, sample, canvas.before, after, matches)


def _side(
    generator: Generator,
    sample: str,
    before: Tensor,
    after: Tensor,
    matches: tuple[MatchedEdit, ...],
) -> Side:
    old, new = (to_picture(images[0], PICTURE) for images in (before, after))
    return Side(generator.name, sample, old, new, matches)


def _axis(edit: Edit) -> int | None:
    """Which own appearance an edit adds; None for a removal."""
    text = str(edit.appearance)
    if len(edit.parts) != 1 or not (text == REMOVE or text.startswith("p")):
        raise PandaError(f"{edit} is of no part's own appearance, and cannot be matched")
    return None if text == REMOVE else int(text[1:])


def _mark_of(generator: Generator, factors: Factors, part: int, axis: int) -> Tensor:
    """What an appearance changes, ``[3, MARK, MARK]``; nothing where it does not vary."""
    latents = generator.sample(range(SAMPLES), truncation=generator.usual_truncation)
    state = generator.head(latents, factors.layer.name)
    images = both_ways(generator, factors, state, part, axis)
    return mark(images) if images else torch.zeros(3, MARK, MARK)
