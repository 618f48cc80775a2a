"""Apply edits to features, and resume the generator."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from panda.editing.detectors import find_detector, is_of_face, union
from panda.editing.edits import REMOVE, Edit, Edits, as_edits, factors_for, listed
from panda.editing.idle import Idle, note_idle, unchanged
from panda.editing.natural import resume, stop
from panda.editing.passes import Passes
from panda.editing.places import (
    OBJECT,
    fit_layer,
    is_folder,
    is_mask,
    kept,
    place_map,
    read_masks,
)
from panda.editing.refine import refine
from panda.editing.remove import part_map, remove
from panda.editing.sources import find_source
from panda.errors import PandaError
from panda.factorization.factors import Factors
from panda.generators.contract import Generator, Latents, Layer, State


def where_map(
    factors: Factors,
    edit: Edit,
    features: Tensor,
    parts: Tensor | None = None,
    numbers: Sequence[int] = (),
    generator: Generator | None = None,
) -> Tensor:
    """Return where an edit acts, ``[N or 1, H, W]`` in [0, 1].

    Args:
        factors: What the edit counts.
        edit: The edit.
        features: Features ``[N, C, H, W]``.
        parts: Refined parts ``[N, S, R_S]``; by default every sample gets the global ones.
        numbers: The samples' seeds, or their numbers in an inversion, by which a folder names their
            masks.
        generator: What the features are of, which the places of faces need to be known.

    Raises:
        PandaError: Where the factors have no such place, or a sample has no mask.
    """
    masks = _user_masks(factors, edit, len(features), numbers)
    if masks is not None:
        return fit_layer(masks, factors.layer).to(features)
    if is_of_face(edit.place):
        if generator is None:
            raise PandaError(f"{edit}: {edit.place} is not known here, where no generator is")
        return find_detector(generator, edit.place, factors.layer.name)(features)
    if edit.place:
        return place_map(factors, edit.place, features)
    return part_map(factors, edit.resolve(factors).parts, parts)


def _user_masks(factors: Factors, edit: Edit, count: int, numbers: Sequence[int]) -> Tensor | None:
    """Return the masks ``[N or 1, H, W]`` of an edit's place; None where it is another."""
    if edit.mask is not None:
        values = edit.mask.values
        masks = values if values.ndim == 3 else values[None]
    elif is_mask(edit.place):
        if is_folder(edit.place) and len(numbers) != count:
            raise PandaError(f"{edit}: which samples these are is not known here, so no mask is")
        masks = read_masks(edit.place, numbers, factors.size)
    else:
        return None
    if len(masks) not in (1, count):
        raise PandaError(f"{edit}: {len(masks)} masks were given for {count} samples")
    return masks


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
    factors: Factors,
    features: Tensor,
    edits: Sequence[Edit],
    parts: Tensor | None = None,
    numbers: Sequence[int] = (),
    generator: Generator | None = None,
) -> Tensor:
    """Return features ``[N, C, H, W]`` after all edits, one after the other.

    The order of additions does not matter; a removal also removes what edits before it have added.
    Where object and background are is seen once, before all edits.

    Args:
        factors: What the edits count.
        features: Features ``[N, C, H, W]`` at the factors' layer.
        edits: Edits of any kind but those that move latents, which only `edit_state` can apply.
        parts: See `direction`.
        numbers: See `where_map`.
        generator: Likewise.

    Raises:
        PandaError: Where an edit is out of range, or moves latents.
    """
    x = features
    for edit in edits:
        edit.check(factors)
        if edit.moves_latents:
            raise PandaError(f"{edit} moves latents, which are not known here")
        x = _apply(factors, x, features, edit, parts, numbers, generator)
    return x


def _apply(
    factors: Factors,
    x: Tensor,
    before: Tensor,
    edit: Edit,
    parts: Tensor | None,
    numbers: Sequence[int],
    generator: Generator | None,
) -> Tensor:
    """Return features ``x`` after an edit, whose place is that in the features before all edits."""
    if edit.appearance == REMOVE and edit.place == OBJECT:
        return remove(factors, x, strength=edit.strength, before=before)
    where = where_map(factors, edit, before, parts, numbers, generator).to(x)
    if edit.appearance == REMOVE:
        return remove(factors, x, where=where, strength=edit.strength)
    # In one step, since products as large as features cost more than the edit itself.
    return torch.addcmul(x, edit.change(factors).to(x)[:, None, None], where[:, None])


def edit_state(
    generator: Generator,
    factors: Factors,
    latents: Latents,
    state: State,
    edits: Sequence[Edit],
    parts: Tensor | None = None,
    *,
    numbers: Sequence[int] | None = None,
    idle: Idle | None = None,
) -> tuple[State, str]:
    """Return samples after all edits, and the layer that they have reached.

    Edits at the factors' layer come first, in their order; then those at later layers. Of an edit
    that moves latents, the difference between the features of moved and of given latents is kept
    where the edit acts (`panda.editing.places.kept`); a place of faces is where it is in either.

    Args:
        generator: The generator.
        factors: What the edits count.
        latents: The samples.
        state: Their state at the factors' layer.
        edits: Edits of any kind.
        parts: See `direction`.
        numbers: See `where_map`; by default the seeds of the samples.
        idle: Collects the edits that change nothing in a sample, see `note_idle`.

    Raises:
        PandaError: Where an edit is out of range, or at a layer that cannot be reached.
    """
    start, features = factors.layer.name, state.x
    for edit in edits:
        check_edit(generator, factors, edit)
    names = latents.seeds if numbers is None else numbers
    passes = Passes(generator, latents, state, start, factors.label)
    layers = generator.layers
    layer, edited = start, False
    for name in layers:
        here = [edit for edit in edits if (edit.layer or start) == name]
        if not here:
            continue
        state, layer = generator.advance(state, layer, name), name
        if not edited:  # so far it is that of the given samples
            passes.keep(state, layer)
        x, edited = state.x, True
        for edit in here:
            before = x
            if edit.source is None:
                x = _apply(factors, x, features, edit, parts, names, generator)
            else:
                moved, plain = passes.moved((edit.source, edit.strength), name), passes.plain(name)
                if is_of_face(edit.place):
                    where = union(find_detector(generator, edit.place, name), plain, moved)
                else:
                    where = _where_kept(factors, edit, features, parts, names, layers[name]).to(x)
                if x is plain:  # which needs no difference as large as features
                    x = torch.lerp(plain, moved, where[:, None])
                else:
                    x = torch.addcmul(x, where[:, None], moved - plain)
            if idle is not None and edit.strength:
                stays = passes.stays((edit.source, edit.strength), name) if edit.source else ()
                for row in unchanged(before, x, stays):
                    if edit.source is None:
                        where = where_map(factors, edit, features, parts, names, generator)
                    if not bool(where[row % len(where)].any()):
                        why = f"its place is empty at {name}"
                    elif edit.source is None:
                        why = f"there is nothing at {name} that it changes"
                    elif stays[row]:
                        why = "the sample is already what it leads to"
                    else:
                        why = f"what it moves has no part in {name} or before"
                    idle.setdefault(f"{edit} changes nothing: {why}", []).append(names[row])
        state = state.with_features(x)
    return state, layer


def _where_kept(
    factors: Factors,
    edit: Edit,
    features: Tensor,
    parts: Tensor | None,
    numbers: Sequence[int],
    layer: Layer,
) -> Tensor:
    """Return how much of a change of latents an edit keeps at a layer, ``[N or 1, H, W]``."""
    masks = _user_masks(factors, edit, len(features), numbers)
    if masks is not None:  # which are as fine as the layer
        return kept(fit_layer(masks, layer), layer, layer)
    return kept(where_map(factors, edit, features, parts), factors.layer, layer)


def check_edit(generator: Generator, factors: Factors, edit: Edit) -> None:
    """Raise `PandaError` where an edit is not possible with this generator and these factors."""
    edit.check(factors)
    names = list(generator.layers)
    name, start = generator.layer(edit.layer or factors.layer.name).name, factors.layer.name
    if names.index(name) < names.index(start):
        later = names[names.index(start) :] if generator.can_advance else [start]
        raise PandaError(
            f"{edit}: {name} comes before {start}, the layer of the factors; it can act at"
            f" {_span(later)}"
        )
    if name != start and not generator.can_advance:
        raise PandaError(f"{edit}: {generator.name} takes edits at one layer only, here {start}")
    if edit.source is not None:
        find_source(edit.source, generator, factors.label, name)
    if is_of_face(edit.place):
        find_detector(generator, edit.place, name)


def _span(names: Sequence[str]) -> str:
    """Return a few names, or the first two and the last of many."""
    return ", ".join(names) if len(names) < 5 else f"{names[0]}, {names[1]}, ... to {names[-1]}"


def edit_images(
    generator: Generator,
    factors: Factors | None,
    latents: Latents,
    edits: Edits,
    *,
    refined: bool = False,
) -> Tensor:
    """Return the edited images ``[N, channels, H, W]`` in about [-1, 1].

    Args:
        generator: The generator that the factors are of.
        factors: What the edits count; None for those that an edit by name is for, which are fitted
            once and kept.
        latents: Samples of this generator.
        edits: An `Edit`, text such as ``"0:p0:4sd"``, or several of both, applied in this order.
        refined: Whether to fit the parts to each sample first.

    Raises:
        PandaError: Where the factors are not of this generator, an edit is out of range, or an
            image comes out NaN.
    """
    if factors is None:
        edits = listed(edits)  # which may be an iterator
        factors = factors_for(edits, generator)
    state = stop(generator, factors, latents)
    wanted = as_edits(edits, factors)
    parts = refine(factors, state.x) if refined else None
    idle: Idle = {}
    edited = edit_state(generator, factors, latents, state, wanted, parts, idle=idle)
    note_idle(idle, len(latents))
    return resume(generator, *edited)
