"""Local edits: what is added to features, and where."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, SupportsFloat

import numpy as np
from torch import Tensor

from panda.editing.arrays import Array, as_direction, as_mask
from panda.editing.detectors import check_of_face, is_of_face
from panda.editing.named import FILE, beside, check_factors, factors_of, find_named
from panda.editing.natural import as_number, read_appearance, read_parts
from panda.editing.places import (
    ALL,
    BACKGROUND,
    OBJECT,
    check_masks,
    check_whole,
    is_mask,
    is_place,
)
from panda.editing.remove import check_strength
from panda.editing.sources import check_source, is_source
from panda.editing.syntax import NAMED, SOURCE, STRENGTH, match_edit
from panda.errors import PandaError
from panda.factorization.factors import Factors
from panda.factorization.part_names import Parts
from panda.generators.contract import Generator

REMOVE = "remove"
"""The appearance of an edit that continues what surrounds its parts (`panda.editing.remove`)."""

NAMED_EDIT = "named"
"""The appearance of an edit that is known by its name, until `as_edits` looks it up."""


@dataclass(frozen=True, init=False, repr=False)
class Edit:
    """Add ``strength`` times an appearance in the union of some parts.

    Attributes:
        parts: The numbers of the parts; empty while they are only known by name, and for a place
            that is none of parts.
        appearance: A column of A, ``"p0"``, ``"p1"``, ... for the axes along which the one part
            given varies most, ``"bg"`` for the background, or `REMOVE`; or what comes from
            elsewhere (`panda.editing.sources`), of whose changes only those in the parts stay: a
            direction of latents ``"smile.npy"`` or ``"sefa/3"``, or the way to another sample
            ``"seed7"`` or to a photograph ``"me/photo0"``.
        strength: Alpha of the paper, or a number of standard deviations where ``sigma`` is true:
            one of them moves the coordinate by as much as it varies, averaged over the part, from
            sample to sample. For a removal, the share that goes, up to 1. For what comes from
            elsewhere, steps of the direction, or the share of the way.
        sigma: Whether ``strength`` counts standard deviations.
        named: The parts by name, such as ``"hair"``, until `resolve` replaces it by numbers; or a
            place: ``"all"``, ``"object"``, ``"bg"``, ``"face/hair"``, a mask ``"FILE.png"`` or a
            folder of masks ``"FOLDER/"`` (`panda.editing.places`).
        layer: Where a change of latents acts: the factors' layer, which is meant by ``""``, or a
            later one.
        mask: The place where it was given as an array.
        direction: The direction of latents where it was given as an array.
    """

    parts: tuple[int, ...]
    appearance: int | str
    strength: float
    sigma: bool = False
    named: str = ""
    layer: str = ""
    mask: Array | None = None
    direction: Array | None = None

    def __init__(
        self,
        parts: Parts | Tensor | np.ndarray[Any, Any],
        appearance: float | str | Tensor | np.ndarray[Any, Any],
        strength: SupportsFloat | None = None,
        sigma: bool = False,
        named: str = "",
        layer: str = "",
        mask: Array | None = None,
        direction: Array | None = None,
    ) -> None:
        """Take parts and appearance in any natural form.

        Args:
            parts: One part, several (list, range, array), or text: ``"0+1"``, ``"0,1"``, the
                name of a part, or a place. An array of two dimensions is a mask of the whole image,
                ``[H, W]`` in [0, 1]; of three, ``[N, H, W]``, one for each sample.
            appearance: See above; NumPy and torch integers and text such as ``"12"`` also work. An
                array ``[D]`` is a direction of w, or of z where there is no w.
            strength: A finite number; a removal without one removes all. Without one,
                ``Edit("smile", 1)`` is the edit of that name, at that many times its own strength.
            sigma: See above.
            named: See above; of no effect where ``parts`` are given.
            layer: See above.
            mask: As of another edit; ``parts`` take arrays.
            direction: As of another edit; ``appearance`` takes arrays.

        Raises:
            PandaError: Where an argument is of another kind.
        """
        mask = as_mask(parts) or mask
        given: tuple[int, ...] | str = f"mask{mask.size}" if mask else read_parts(parts)
        numbers, named = ((), given) if isinstance(given, str) else (given, named)
        what: int | str
        times = as_number(appearance)
        if strength is None and times is not None and named and not mask and not is_place(named):
            what, strength = NAMED_EDIT, times
            _check_named(named, times, sigma, layer)
        else:
            direction = as_direction(appearance) or direction
            what = f"direction{direction.size}" if direction else read_appearance(appearance)
        if strength is None and what != REMOVE:
            raise PandaError(
                f"an edit by appearance {what!r:.60} needs a strength, such as Edit(0, 'p0', 4);"
                " only a removal has a usual one"
            )
        try:
            value = STRENGTH if strength is None else float(strength)
        except (TypeError, ValueError, OverflowError):
            raise PandaError(
                f"strength {strength!r:.60}: expected a finite number, with sigma=True for standard"
                " deviations; Edit.parse reads text such as '3:p0:2.5sd'"
            ) from None
        fields = {
            "parts": numbers,
            "appearance": what,
            "strength": value,
            "sigma": bool(sigma),
            "named": "" if numbers else named,
            "layer": layer,
            "mask": mask,
            "direction": direction,
        }
        for name, field in fields.items():
            object.__setattr__(self, name, field)

    @staticmethod
    def parse(text: str) -> Edit:
        """Read ``WHERE:WHAT:STRENGTH``: ``3:12:30``, ``3+5:0:-40``, ``hair:p0:2.5sd``.

        ``3:remove`` is ``3:remove:1``: all of the part goes. ``mouth:smile.npy:2`` moves the
        latents by twice that direction, and keeps what changes in the mouth;
        with ``@64.conv2`` after it, at that layer.

        Raises:
            PandaError: Where the text is something else.
        """
        match = match_edit(text)
        strength, unit = match["strength"], match["unit"]
        amount = float(strength) if strength else None
        layer = match["layer"] or ""
        return Edit(match["where"], match["what"], amount, unit == "sd", layer=layer)

    def __str__(self) -> str:
        """Return the text that `parse` reads; it reads none of an array."""
        parts = self.named or "+".join(map(str, self.parts))
        unit, at = "sd" if self.sigma else "", f"@{self.layer}" if self.layer else ""
        if self.appearance == NAMED_EDIT:
            return f"{parts}:{self.strength:.12g}"
        return f"{parts}:{self.appearance}:{self.strength:.12g}{unit}{at}"

    def __repr__(self) -> str:
        return f"Edit({str(self)!r})"

    @property
    def place(self) -> str:
        """Where it acts if not in parts (`panda.editing.places`); empty for parts."""
        return self.named if self.mask is not None or is_place(self.named) else ""

    @property
    def source(self) -> str | Array | None:
        """What it takes from elsewhere than factors (`panda.editing.sources`), or None."""
        if self.direction is not None:
            return self.direction
        return str(self.appearance) if is_source(self.appearance) else None

    @property
    def moves_latents(self) -> bool:
        """Whether what it changes comes from other latents."""
        return self.source is not None

    def resolve(self, factors: Factors) -> Edit:
        """Return this edit with numbers in place of the names of parts.

        Raises:
            PandaError: Where the factors have no parts of these names.
        """
        if not self.named or self.place:
            return self
        return replace(self, parts=factors.find_parts(self.named))

    def check(self, factors: Factors) -> None:
        """Raise `PandaError` where these factors have no such edit."""
        if self.place in (OBJECT, BACKGROUND):
            factors.check_background()
        elif is_of_face(self.place):
            check_of_face(self.place)
        elif self.mask is not None:
            check_whole("the mask", self.mask.values.shape[-2:], factors.size)
        elif self.place and self.place != ALL:
            check_masks(self.place, factors.size)
        if self.layer not in ("", factors.layer.name) and not self.moves_latents:
            raise PandaError(
                f"{self}: parts and appearances are of {factors.layer.name}; only a change of"
                " latents can act at another layer"
            )
        if self.appearance == REMOVE:
            self._check_removal(factors)
        elif not self.moves_latents:
            self.change(factors)
        elif self.sigma:
            raise PandaError(
                f"{self}: a change of latents has no standard deviations; its strength counts steps"
                " of the direction, or shares of the way to the other sample"
            )
        else:
            check_source(str(self.appearance))
            self._check_parts(factors)

    def _check_removal(self, factors: Factors) -> None:
        """Raise `PandaError` where nothing can be removed like this."""
        if self.sigma:
            raise PandaError(
                f"{self}: a removal has no standard deviations; its strength is a share, up to 1"
            )
        if self.place in (ALL, BACKGROUND):
            raise PandaError(f"{self}: nothing would be left to continue; remove parts or object")
        check_strength(self.strength)
        self._check_parts(factors)

    def change(self, factors: Factors) -> Tensor:
        """Return the vector ``[C]`` to add where the mask is one.

        Raises:
            PandaError: Where the factors have no such parts or appearance, a part is given twice,
                the strength is not finite, or ``sigma`` is set for what does not vary.
        """
        parts = self._check_parts(factors)
        if self.place and re.fullmatch("p[0-9]+", str(self.appearance)):
            raise PandaError(
                f"{self}: {self.appearance} belongs to one part; give an appearance by number"
            )
        if len(parts) > 1 and re.fullmatch("p[0-9]+", str(self.appearance)):
            single = [replace(self, parts=(part,)) for part in parts]
            raise PandaError(
                f"{self}: {self.appearance} belongs to one part; give {len(parts)} edits,"
                f" {' and '.join(map(str, single))}, or an appearance by number"
            )
        vector, spread = factors.vector(self.appearance, parts)
        if self.sigma and spread == 0:
            raise PandaError(
                f"appearance {self.appearance} does not vary over the samples of these factors, so"
                " a strength in standard deviations means nothing; fit more seeds or give it raw"
            )
        # Adding alpha a moves the coordinate a^T Z by alpha |a|^2.
        unit = spread / float(vector.square().sum()) if self.sigma else 1.0
        return self.strength * unit * vector

    def _check_parts(self, factors: Factors) -> tuple[int, ...]:
        """Return the parts by number; raise `PandaError` where factors have no such parts."""
        parts = self.resolve(factors).parts
        if self.place and math.isfinite(self.strength):
            return ()
        if not parts and not self.place:
            raise PandaError("an edit needs at least one part")
        if len(set(parts)) != len(parts) or not math.isfinite(self.strength):
            raise PandaError(f"{self}: expected each part once and a finite strength")
        return factors.find_parts(parts)


Edits = Edit | str | Iterable[Edit | str]
"""What `as_edits` takes."""


def _check_named(name: str, times: float, sigma: bool, layer: str) -> None:
    """Raise `PandaError` where an edit by name is given what it has of its own, or no number."""
    if sigma or layer:
        what = f"layer={layer!r:.60}" if layer else "sigma=True"
        raise PandaError(
            f"{name!r:.60} at {times:g} times its own strength is an edit by name, which has its"
            f" own layers and units; leave out {what}"
        )
    if not math.isfinite(times):
        raise PandaError(
            f"{name!r:.60} at {times} times its own strength: expected a finite number"
        )


def listed(edits: Edits) -> list[Edit | str]:
    """Return one edit or several as a list, each as it was given.

    Raises:
        PandaError: Where something is no edit.
    """
    single = isinstance(edits, Edit | str) or not isinstance(edits, Iterable)
    items: list[Any] = [edits] if single else list(edits)  # type: ignore[arg-type]
    for edit in items:
        if not isinstance(edit, Edit | str):
            raise PandaError(f"{edit!r:.60} is no edit; expected Edit(0, 'p0', 4) or '0:p0:4sd'")
    return items


def as_edits(edits: Edits, factors: Factors) -> list[Edit]:
    """Return edits of these factors, whatever form they come in.

    Args:
        edits: An `Edit`, text that `find_edits` takes, such as ``"0:p0:4sd"``, or several of both.
        factors: What parts and appearances count.

    Raises:
        PandaError: Where something is no edit, or an edit for other factors.
    """
    found: list[Edit] = []
    for edit in listed(edits):
        if isinstance(edit, Edit) and edit.appearance != NAMED_EDIT:
            found.append(edit.resolve(factors))
        else:
            found += find_edits(str(edit), factors)
    return found


def factors_for(edits: Edits, generator: Generator) -> Factors:
    """Return the factors that the first of some edits is for, which has a name.

    Raises:
        PandaError: Where it has none.
    """
    if not isinstance(generator, Generator):
        kind = type(generator).__name__
        raise PandaError(f"a {kind} was given, expected a generator, as create_generator makes it")
    given = listed(edits)
    if not given:
        raise PandaError("no edit was given, so there are no factors that it is for")
    first = given[0]
    match = NAMED.fullmatch(str(first)) or FILE.fullmatch(str(first))
    if match is None:
        raise PandaError(
            f"{first} does not say of which factors it is; give those, such as panda.fit returns"
        )
    name, named = find_named(match[0] if match.re is FILE else match["name"], generator.name)
    return factors_of(name, named, generator)


def find_edits(text: str, factors: Factors) -> list[Edit]:
    """Return edits by ``PARTS:APPEARANCE:STRENGTH``, by name, or by file.

    Args:
        text: Such as ``"0+1:p0:4sd"``, or ``"hair:p0:4sd"`` once `panda name` ran; the name of an
            edit that comes with a generator; ``FILE.json`` or ``FILE.json:NAME`` (see
            `panda.editing.edit_files`). After a name, ``":2"`` is twice its own strength.
        factors: What parts and appearances count.

    Raises:
        PandaError: Where there is no such edit, or it is for other factors.
    """
    match = NAMED.fullmatch(text)
    if match is None and not FILE.fullmatch(text):
        return [Edit.parse(text).resolve(factors)]
    name, named = find_named(match["name"] if match else text, factors.generator)
    check_factors(name, named, factors)
    times = float(match["strength"] or 1) if match else 1.0
    edits = [Edit.parse(edit).resolve(factors) for edit in named.edits]
    if named.file:
        edits = [_beside(edit, named.file) for edit in edits]
    return [replace(edit, strength=times * edit.strength) for edit in edits]


def _beside(edit: Edit, file: str) -> Edit:
    """Return an edit whose own files are named as they lie beside the edit file."""
    where = beside(file, edit.named) if is_mask(edit.named) else edit.named
    what = edit.appearance
    if isinstance(what, str) and (match := re.fullmatch(SOURCE, what)):
        path = match["file"] or match["folder"] or ""
        what = beside(file, path) + what[len(path) :] if path else what
    return replace(edit, named=where, appearance=what)
