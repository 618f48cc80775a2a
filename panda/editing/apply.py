"""Apply edits to features, and resume the generator."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from panda.editing.edits import REMOVE, Edit, Edits, as_edits
from panda.editing.natural import resume, stop
from panda.editing.places import OBJECT, is_mask, kept, mask_map, place_map
from panda.editing.refine import refine
from panda.editing.remove import part_map, remove
from panda.editing.sources import find_source
from panda.errors import PandaError
from panda.factorization.factors import Factors
from panda.generators.contract import Generator, Latents, State


def where_map(
    factors: Factors, edit: Edit, features: Tensor, parts: Tensor | None = None
) -> Tensor:
    """Return where an edit acts, ``[N or 1, H, W]`` in [0, 1].

    Args:
        factors: What the edit counts.
        edit: The edit.
        features: Features ``[N, C, H, W]``.
        parts: Refined parts ``[N, S, R_S]``; by default every sample gets the global ones.

    Raises:
        PandaError: Where the factors have no such place.
    """
    if edit.place:
        return place_map(factors, edit.place, features)
    return part_map(factors, edit.resolve(factors).parts, parts)


def direction(
    factors: Factors, edits: Sequence[Edit], parts: Tensor | None = None, *, focus: float = 0.0
) -> Tensor:
    """Return the sum of all edits as one change of the features.

    Args:
        factors: What the edits count.
        edits: Edits that add an appearance to parts; others are no sum (see `apply_edits`).
        parts: Refined parts ``[N, S, R_S]``; by default every sample gets the global ones.
        focus: In [0, 1): mask values below that share of the maximum become zero, which takes away
            a part's faint rest elsewhere, where it changes the image too.

    Returns:
        The change ``[N, C, H, W]``, or ``[1, C, H, W]`` of the global parts.

    Raises:
        PandaError: Where an edit is out of range.
    """
    masks = factors.parts[None] if parts is None else parts
    layer = factors.layer
    total = masks.new_zeros(len(masks), layer.channels, layer.height, layer.width)
    for edit in edits:
        what = edit.change(factors).to(masks)
        where = part_map(factors, edit.resolve(factors).parts, parts)
        if focus:
            where = (where - focus).clamp_min(0) / (1 - focus)
        total += what[:, None, None] * where[:, None]
    return total


def apply_edits(
    factors: Factors, features: Tensor, edits: Sequence[Edit], parts: Tensor | None = None
) -> Tensor:
    """Return features ``[N, C, H, W]`` after all edits, one after the other.

    The order of additions does not matter; a removal also removes what edits before it have added.
    Where object and background are is seen once, before all edits.

    Args:
        factors: What the edits count.
        features: Features ``[N, C, H, W]`` at the factors' layer.
        edits: Edits of any kind but those that move latents, which only `edit_state` can apply.
        parts: See `direction`.

    Raises:
        PandaError: Where an edit is out of range, or moves latents.
    """
    x = features
    for edit in edits:
        edit.check(factors)
        if edit.moves_latents:
            raise PandaError(f"{edit} moves latents, which are not known here")
        x = _apply(factors, x, features, edit, parts)
    return x


def _apply(
    factors: Factors, x: Tensor, before: Tensor, edit: Edit, parts: Tensor | None = None
) -> Tensor:
    """Return features ``x`` after an edit, whose place is that in the features before all edits."""
    if edit.appearance == REMOVE and edit.place == OBJECT:
        return remove(factors, x, strength=edit.strength, before=before)
    where = where_map(factors, edit, before, parts).to(x)
    if edit.appearance == REMOVE:
        return remove(factors, x, where=where, strength=edit.strength)
    return x + edit.change(factors).to(x)[:, None, None] * where[:, None]


def edit_state(
    generator: Generator,
    factors: Factors,
    latents: Latents,
    state: State,
    edits: Sequence[Edit],
    parts: Tensor | None = None,
) -> tuple[State, str]:
    """Return samples after all edits, and the layer that they have reached.

    Edits at the factors' layer come first, in their order; then those at later layers. Of an edit
    that moves latents, the difference between the features of moved and of given latents is kept
    where the edit acts (`panda.editing.places.kept`).

    Args:
        generator: The generator.
        factors: What the edits count.
        latents: The samples.
        state: Their state at the factors' layer.
        edits: Edits of any kind.
        parts: See `direction`.

    Raises:
        PandaError: Where an edit is out of range, or at a layer that cannot be reached.
    """
    start, features = factors.layer.name, state.x
    for edit in edits:
        check_edit(generator, factors, edit)
    layer = start
    for name in generator.layers:
        here = [edit for edit in edits if (edit.layer or start) == name]
        if not here:
            continue
        state, layer = generator.advance(state, layer, name), name
        plain = features if name == start else generator.head(latents, name).x
        x = state.x
        for edit in here:
            if not edit.moves_latents:
                x = _apply(factors, x, features, edit, parts)
                continue
            place = generator.layer(name)
            if is_mask(edit.place):  # which is as fine as the layer
                where = kept(mask_map(edit.place, place), place, place)
            else:
                where = kept(where_map(factors, edit, features, parts), factors.layer, place)
            x = x + where.to(x)[:, None] * (_moved(generator, factors, latents, edit, name) - plain)
        state = state.with_features(x)
    return state, layer


def check_edit(generator: Generator, factors: Factors, edit: Edit) -> None:
    """Raise `PandaError` where an edit is not possible with this generator and these factors."""
    edit.check(factors)
    names = list(generator.layers)
    name, start = generator.layer(edit.layer or factors.layer.name).name, factors.layer.name
    if names.index(name) < names.index(start):
        raise PandaError(f"{edit}: {name} comes before {start}, the layer of the factors")
    if name != start and not generator.can_advance:
        raise PandaError(f"{edit}: {generator.name} takes edits at one layer only, here {start}")
    if edit.moves_latents:
        find_source(str(edit.appearance), generator, factors.label)


def _moved(
    generator: Generator, factors: Factors, latents: Latents, edit: Edit, layer: str
) -> Tensor:
    """Return the features ``[N, C, H, W]`` of samples whose latents an edit has moved."""
    change = find_source(str(edit.appearance), generator, factors.label)
    strengths = torch.full((len(latents),), edit.strength, dtype=torch.float64)
    return generator.head(change.moved(generator, latents, strengths), layer).x


def edit_images(
    generator: Generator,
    factors: Factors,
    latents: Latents,
    edits: Edits,
    *,
    refined: bool = False,
) -> Tensor:
    """Return the edited images ``[N, 3, R, R]`` in about [-1, 1], at full resolution.

    Args:
        generator: The generator that the factors are of.
        factors: What the edits count.
        latents: Samples of this generator.
        edits: An `Edit`, text such as ``"0:p0:4sd"``, or several of both, applied in this order.
        refined: Whether to fit the parts to each sample first.

    Raises:
        PandaError: Where the factors are not of this generator, an edit is out of range, or an
            image comes out NaN.
    """
    state = stop(generator, factors, latents)
    wanted = as_edits(edits, factors)
    parts = refine(factors, state.x) if refined else None
    return resume(generator, *edit_state(generator, factors, latents, state, wanted, parts))
