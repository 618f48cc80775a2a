"""Transfer of edits to other generators: match parts and appearances, apply, show the results."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from PIL import Image
from torch import Tensor

from panda.editing.apply import edit_images
from panda.editing.edits import REMOVE, Edit
from panda.errors import PandaError
from panda.factorization.factors import Factors
from panda.generators.contract import Generator
from panda.images import to_picture
from panda.naming.marks import MARK, both_ways, mark
from panda.naming.matching import assign, correlations, image_maps
from panda.studio.session import Canvas

AXES = 6
"""Appearances of a part that are candidates for a match."""

SAMPLES = 2
"""Samples that appearances are compared on."""

PICTURE = 320
"""The longer side of the pictures, in pixels."""


@dataclass(frozen=True)
class MatchedEdit:
    """An edit of another generator.

    Attributes:
        edit: The edit, with the matched part and appearance.
        part: Similarity of the matched parts, a correlation in [-1, 1].
        appearance: Similarity of the matched appearances, in [-1, 1].
    """

    edit: Edit
    part: float
    appearance: float


@dataclass(frozen=True)
class Panel:
    """The edits in one generator, as one panel of the side-by-side view.

    Attributes:
        generator: The generator's name.
        sample: A short name of the sample, such as ``"seed-0"``.
        before: The sample.
        after: The edited sample.
        matches: The edits, with how similar they are to the original ones.
    """

    generator: str
    sample: str
    before: Image.Image
    after: Image.Image
    matches: tuple[MatchedEdit, ...]


class Matcher:
    """Match edits of one generator's factors to those of other generators.

    Args:
        generator: The generator that the edits were made for.
        factors: Its factors.
    """

    def __init__(self, generator: Generator, factors: Factors) -> None:
        self._generator, self._factors = generator, factors
        self._marks: dict[tuple[int, int], Tensor] = {}

    def match(self, edit: Edit, generator: Generator, factors: Factors) -> MatchedEdit:
        """Return the most similar edit of another generator, with the same strength.

        Parts are paired by optimal assignment of their maps (`panda.naming.matching`), appearances
        by what they change. The sign of the strength is flipped if the matched appearance points
        the other way.

        Args:
            edit: An edit of one part: an appearance ``p0``, ``p1``, ... or a removal.
            generator: The other generator.
            factors: The factors of the other generator.

        Raises:
            PandaError: If the edit is of another kind, or no part is left for its part.
        """
        axis = _axis(edit)
        similarity = correlations(*(image_maps(f.masks) for f in (self._factors, factors)))
        part = assign(similarity).get(edit.parts[0])
        if part is None:
            raise PandaError(f"{generator.name} has fewer parts; none is left for {edit.parts[0]}")
        part_similarity = float(similarity[edit.parts[0], part])
        if axis is None:
            return MatchedEdit(replace(edit, parts=(part,)), part_similarity, 1.0)
        target = self._mark(edit.parts[0], axis)[None]
        axes = factors.stable_axes(part)[:AXES]
        candidates = torch.stack([_mark_of(generator, factors, part, axis) for axis in axes])
        similarities = correlations(target, candidates, signed=False)[0]
        best = int(similarities.argmax())
        sign = 1 if float((target[0] * candidates[best]).sum()) >= 0 else -1
        moved = f"p{axes[best]}"
        edit = replace(edit, parts=(part,), appearance=moved, strength=sign * edit.strength)
        return MatchedEdit(edit, part_similarity, float(similarities[best]))

    def _mark(self, part: int, axis: int) -> Tensor:
        """Return the mark of an appearance of the matcher's own factors, computed once."""
        if (part, axis) not in self._marks:
            self._marks[part, axis] = _mark_of(self._generator, self._factors, part, axis)
        return self._marks[part, axis]


def transfer_edits(
    matcher: Matcher,
    edits: list[Edit],
    generator: Generator,
    factors: Factors,
    seed: int,
    *,
    refined: bool = False,
) -> Panel:
    """Apply the matched edits to a sample of another generator, at its usual truncation.

    Args:
        matcher: The matcher of the generator that the edits were made for.
        edits: The edits.
        generator: The other generator.
        factors: The factors of the other generator.
        seed: The seed of the sample.
        refined: Whether to refine the parts for the sample.
    """
    matches = tuple(matcher.match(edit, generator, factors) for edit in edits)
    latents = generator.sample([seed], truncation=generator.usual_truncation)
    before = generator.forward(latents)
    matched = [match.edit for match in matches]
    after = edit_images(generator, factors, latents, matched, refined=refined)
    return _panel(generator, f"seed-{seed}", before, after, matches)


def original_panel(canvas: Canvas, edits: list[Edit], refined: bool, sample: str) -> Panel:
    """Return the panel of the edits in the generator that they were made for."""
    matches = tuple(MatchedEdit(edit, 1.0, 1.0) for edit in edits)
    after = canvas.images([edits], refined)
    return _panel(canvas.generator, sample, canvas.before, after, matches)


def _panel(
    generator: Generator,
    sample: str,
    before: Tensor,
    after: Tensor,
    matches: tuple[MatchedEdit, ...],
) -> Panel:
    """Return a panel of two images ``[1, channels, H, W]``."""
    old, new = (to_picture(images[0], PICTURE) for images in (before, after))
    return Panel(generator.name, sample, old, new, matches)


def _axis(edit: Edit) -> int | None:
    """Return the index of the appearance that an edit adds, or None for a removal."""
    text = str(edit.appearance)
    if len(edit.parts) != 1 or not (text == REMOVE or text.startswith("p")):
        raise PandaError(
            f"{edit} cannot be matched; expected an appearance of one part, such as 0:p0:4sd"
        )
    return None if text == REMOVE else int(text[1:])


def _mark_of(generator: Generator, factors: Factors, part: int, axis: int) -> Tensor:
    """Return what an appearance changes, ``[3, MARK, MARK]``; zeros if it does not vary."""
    psi = generator.usual_truncation
    latents = generator.sample(range(SAMPLES), truncation=psi, label=factors.label)
    state = generator.head(latents, factors.layer.name)
    images = both_ways(generator, factors, state, part, axis)
    return mark(images) if images else torch.zeros(3, MARK, MARK)
