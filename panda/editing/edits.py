"""Local edits: add an appearance where a part is, and resume the generator."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from panda.editing.edit_files import PATTERN, NamedEdit, named_edits, read_edits
from panda.editing.remove import remove
from panda.errors import PandaError, nearest
from panda.factorization.factors import Factors, scale_parts
from panda.factorization.solvers.refine import refine_parts
from panda.generators.contract import Generator, Latents
from panda.generators.registry import is_file

_FILE = re.compile(r"(.+\.json)(?::(.+))?")

REMOVE = "remove"
"""The appearance of an edit that replaces what is there by background (`panda.editing.remove`)."""


@dataclass(frozen=True)
class Edit:
    """Add ``strength`` times an appearance in the union of some parts.

    ``appearance`` is what `Factors.vector` takes: a number, ``"p0"``, or ``"bg"``; or it is
    `REMOVE`. ``strength`` is alpha of the paper, or a number of standard deviations where ``sigma``
    is true: one of them moves the coordinate by as much as it varies, averaged over the part, from
    sample to sample. That of a removal is the one of `panda.editing.remove.remove`.
    """

    parts: tuple[int, ...]
    appearance: int | str
    strength: float
    sigma: bool = False

    @staticmethod
    def parse(text: str) -> Edit:
        """Read ``PARTS:APPEARANCE:STRENGTH``: ``3:12:30``, ``3+5:0:-40``, ``3:p0:2.5sd``."""
        match = PATTERN.fullmatch(text.strip())
        if match is None:
            raise PandaError(
                f"{text!r:.60} is no edit; expected PARTS:APPEARANCE:STRENGTH, such as 3:12:30,"
                " 3+5:0:-40 or 3:p0:2.5sd (a part's own first appearance, in standard deviations)"
            )
        parts, appearance, strength, unit = match.groups()
        return Edit(
            tuple(int(part) for part in parts.split("+")),
            int(appearance) if appearance.isdecimal() else appearance,
            float(strength),
            unit == "sd",
        )

    def __str__(self) -> str:
        """The text that `parse` reads."""
        strength = f"{self.strength:.6f}".rstrip("0").rstrip(".")
        parts = "+".join(map(str, self.parts))
        return f"{parts}:{self.appearance}:{strength}{'sd' if self.sigma else ''}"

    def check(self, factors: Factors) -> None:
        """Raise `PandaError` where these factors have no such edit."""
        if self.appearance != REMOVE:
            self.change(factors)
        elif self.sigma:
            raise PandaError(
                f"{self}: a removal has no standard deviations; 1.2 is its usual strength"
            )
        else:
            replace(self, appearance="bg").change(factors)

    def change(self, factors: Factors) -> Tensor:
        """The vector ``[C]`` to add where the mask is one; raises `PandaError` out of range."""
        if not self.parts:
            raise PandaError("an edit needs at least one part")
        if len(set(self.parts)) != len(self.parts) or not math.isfinite(self.strength):
            raise PandaError(f"{self}: expected each part once and a finite strength")
        vector, spread = factors.vector(self.appearance, self.parts)
        if self.sigma and spread == 0:
            raise PandaError(
                f"appearance {self.appearance} does not vary over the samples of these factors, so"
                " a strength in standard deviations means nothing; fit more seeds or give it raw"
            )
        # Adding alpha a moves the coordinate a^T Z by alpha |a|^2.
        unit = spread / float(vector.square().sum()) if self.sigma else 1.0
        return self.strength * unit * vector


def find_edits(text: str, factors: Factors) -> list[Edit]:
    """Edits by ``PARTS:APPEARANCE:STRENGTH``, by name, or by ``FILE.json`` or ``FILE.json:NAME``.

    Names are those that come with generators; a file is as in `panda.editing.edit_files`. Raises
    `PandaError` where there is no such edit, or it is for other factors.
    """
    if not _FILE.fullmatch(text) and ":" in text:
        return [Edit.parse(text)]
    name, named = find_named(text)
    _check(name, named, factors)
    return [Edit.parse(edit) for edit in named.edits]


def find_named(text: str) -> tuple[str, NamedEdit]:
    """The edit of a name, or of ``FILE.json`` or ``FILE.json:NAME``, and its name.

    Raises `PandaError` where there is none.
    """
    file = _FILE.fullmatch(text)
    zoo = read_edits(file[1]) if file else named_edits()
    name = (file[2] or (next(iter(zoo)) if len(zoo) == 1 else "")) if file else text
    if name not in zoo:
        raise PandaError(
            f"{text!r:.200} is no edit{nearest(name, zoo)}; expected PARTS:APPEARANCE:STRENGTH such"
            " as 3:12:30, a name that 'panda edits' lists, or FILE.json:NAME"
        )
    return name, zoo[name]


def _check(name: str, edit: NamedEdit, factors: Factors) -> None:
    """Raise `PandaError` unless the factors can be those that an edit is for.

    A generator that is a file of the user's own may be any; its layer and the ranks must do.
    """
    channels, count = factors.appearances.shape[1], factors.parts.shape[1]
    expected = (edit.layer, edit.appearances, edit.parts)
    other = edit.generator != factors.generator and not is_file(factors.generator)
    if other or expected != (factors.layer.name, channels, count):
        raise PandaError(
            f"edit {name!r} is for {edit.appearances} appearances and {edit.parts} parts of"
            f" {edit.generator} {edit.layer}, but these are {channels} and {count} of"
            f" {factors.generator} {factors.layer.name}"
        )
    if edit.seeds and edit.seeds != factors.seeds:
        found = f"of seeds {factors.seeds}" if factors.seeds else "others"
        raise PandaError(
            f"edit {name!r} is for factors fitted on seeds {edit.seeds}, but these are {found:.60}"
        )


def direction(
    factors: Factors, edits: Sequence[Edit], parts: Tensor | None = None, *, focus: float = 0.0
) -> Tensor:
    """The sum of all edits as one change of the features, ``[N or 1, C, H, W]``.

    ``parts`` ``[N, S, R_S]`` are refined ones; without them every sample gets the global parts.
    The selected columns of P are summed, then scaled to [0, 1] (released ``edit_at_layer``).
    ``focus`` in [0, 1) takes away what lies below that share of the maximum: a part's faint rest
    elsewhere, which changes the image there too.
    """
    chosen = factors.parts[None] if parts is None else parts
    layer = factors.layer
    total = chosen.new_zeros(len(chosen), layer.channels, layer.positions)
    for edit in edits:
        what = edit.change(factors).to(chosen)
        where = scale_parts(chosen[:, :, list(edit.parts)].sum(2, keepdim=True))
        if focus:
            where = (where - focus).clamp_min(0) / (1 - focus)
        total += what[:, None] * where.mT
    return total.view(-1, layer.channels, layer.height, layer.width)


def apply_edits(
    factors: Factors, features: Tensor, edits: Sequence[Edit], parts: Tensor | None = None
) -> Tensor:
    """Features ``[N, C, H, W]`` after all edits, one after the other.

    What is added is added in any order; a removal also takes what edits before it have added.
    ``parts`` are as `direction` takes them. Raises `PandaError` for an edit out of range.
    """
    x = features
    for edit in edits:
        if edit.appearance == REMOVE:
            edit.check(factors)
            x = remove(factors, x, edit.parts, strength=edit.strength, refined=parts)
        else:
            x = x + direction(factors, [edit], parts).to(x)
    return x


def edit_images(
    generator: Generator,
    factors: Factors,
    latents: Latents,
    edits: Sequence[Edit],
    *,
    refined: bool = False,
) -> Tensor:
    """Return the edited images ``[N, 3, R, R]``, full resolution.

    ``refined`` first fits the parts to each sample. Raises `PandaError` where the factors are not
    of this generator or an edit is out of range.
    """
    factors.check(generator)
    state = generator.head(latents, factors.layer.name)
    parts = refine(factors, state.x) if refined else None
    x = apply_edits(factors, state.x, edits, parts)
    return generator.tail(state.with_features(x), factors.layer.name)


def refine(factors: Factors, features: Tensor) -> Tensor:
    """Parts ``[N, S, R_S]`` fitted to each of the features ``[N, C, H, W]`` (paper, 3.3)."""
    on = factors.to(features.device)
    parts = refine_parts(on.appearances, on.parts, features.flatten(2).to(on.parts))
    empty = torch.nonzero((parts.amax(1) <= 0).cpu())
    for sample, part in empty.tolist():
        parts[sample, :, part] = on.parts[:, part]  # a part this sample does not have: keep it
    return parts
