"""What the appearances of a part do in one image, as thumbnails, in numbers and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from PIL import Image
from torch import Tensor

from panda.editing.edits import Edit
from panda.errors import PandaError
from panda.factorization.factors import Factors
from panda.generators.contract import Generator
from panda.images import crop, crop_box, resize_map, to_picture
from panda.metrics.changes import change
from panda.metrics.roir import small
from panda.naming.effects import (
    UNSEEN,
    Measure,
    Parse,
    describe_effects,
    look,
    look_at_faces,
    own_measures,
    spread,
)
from panda.naming.impact import Impact
from panda.naming.names import describe_part, place_of
from panda.naming.realism import Realism, breaks
from panda.naming.saved import names_of
from panda.studio.session import SIGMAS, Canvas

AXES = 8
"""Appearances of a part that are shown, at most."""

SAMPLES = 6
"""Samples from which parts are named and effects are scaled."""

THUMB = 144
"""The longer side of a thumbnail, in pixels."""


@dataclass(frozen=True)
class Thumbnail:
    """An appearance of a part, added to an image.

    Attributes:
        appearance: The appearance, such as ``"p0"``.
        impact: What it does in this image, by which thumbnails are in order.
        picture: The part after the change.
        image: The whole image after the change, reduced to ``[3, h, w]``.
        name: The effect in words; empty until it is named.
    """

    appearance: str
    impact: Impact
    picture: Image.Image
    image: Tensor
    name: str = ""


@dataclass(frozen=True)
class NamingContext:
    """What the names of parts and effects are computed from.

    Attributes:
        parts: The names of the parts.
        spreads: The standard deviation of each measure over samples.
        realism: What each part looks like in samples.
        parse: The face parser; None for generators of other things.
    """

    parts: tuple[str, ...]
    spreads: Mapping[Measure, float]
    realism: tuple[Realism, ...]
    parse: Parse | None


def make_naming_context(
    generator: Generator, factors: Factors, parse: Parse | None
) -> NamingContext:
    """Name the parts and scale the measures from a few samples of the generator.

    Args:
        generator: The generator.
        factors: Factors of one of its layers.
        parse: The face parser, if there is one; it is dropped if the samples are not faces.
    """
    psi = generator.usual_truncation
    latents = generator.sample(range(SAMPLES), truncation=psi, label=factors.label)
    samples = [generator.forward(latents[k : k + 1]) for k in range(SAMPLES)]
    images = small(torch.cat(samples))
    looks, parse = look_at_faces(images, parse, factors.masks)
    names = [describe_part(mask, looks.parsed) for mask in factors.masks]
    spreads = {
        name: spread(values)
        for name, values in looks.measures.items()
        if float(values.nanmedian()) != 0  # most samples have no hat, so any would be a huge effect
    }
    realism = tuple(Realism.of(images, mask) for mask in factors.masks)
    return NamingContext(tuple(_saved_names(factors) or names), spreads, realism, parse)


def place_names(factors: Factors) -> list[str]:
    """Return the names of parts that the factors carry, or else where the parts are."""
    return _saved_names(factors) or [place_of(mask) for mask in factors.masks]


def _saved_names(factors: Factors) -> list[str]:
    """Return the names that the factors carry, or nothing if any is missing or damaged."""
    try:
        return [part["name"] for part in names_of(factors)["parts"]]
    except PandaError:
        return []


def axes_of(canvas: Canvas, part: int) -> list[str]:
    """Return the appearances of a part that are shown: the first ones that vary, stable first."""
    axes = [f"p{axis}" for axis in canvas.factors.stable_axes(part)[:AXES]]
    return [axis for axis in axes if canvas.factors.vector(axis, (part,))[1] > 0]


def make_thumbnails(
    canvas: Canvas, part: int, axes: Sequence[str], *, refined: bool = False
) -> list[Thumbnail]:
    """Add appearances of a part to the image, each alone.

    Args:
        canvas: The image.
        part: The index of the part.
        axes: The appearances, such as ``"p0"``.
        refined: Whether the part is refined for the image.

    Returns:
        A thumbnail for each appearance, in their order.
    """
    edits = [[Edit((part,), axis, SIGMAS, sigma=True)] for axis in axes]
    mask = canvas.masks(refined)[part]
    box = crop_box(mask)
    before = small(canvas.before)
    where = resize_map(mask, before.shape[2:])
    unstable = {f"p{axis}" for axis in canvas.factors.unstable_axes(part)}
    made: list[Thumbnail] = []
    for images in canvas.batches(edits, refined):
        changes = torch.stack(change(before, small(images), where), 1).tolist()
        for (inside, outside), image in zip(changes, images, strict=True):
            picture = to_picture(crop(image, box), THUMB)
            reduced = small(image[None])[0]
            axis = axes[len(made)]
            impact = Impact(inside, outside, stable=axis not in unstable)
            made.append(Thumbnail(axis, impact, picture, reduced))
    return made


def name_thumbnails(
    canvas: Canvas, part: int, unnamed: Sequence[Thumbnail], context: NamingContext
) -> list[Thumbnail]:
    """Name thumbnails by what changes in the part, and say which break the picture.

    What changes is in standard deviations over samples of the generator.

    Args:
        canvas: The image.
        part: The index of the part.
        unnamed: The thumbnails of the part.
        context: The naming context of the canvas's factors.

    Returns:
        The thumbnails in the order of their impact, which knows more now.
    """
    if not unnamed:
        return []
    masks, title = canvas.factors.masks, context.parts[part]
    before = look(small(canvas.before), context.parse, masks)
    named = []
    for thumbnail in unnamed:
        image = thumbnail.image[None]
        after = look(image, context.parse, masks)
        effects = {
            measure: float(value - before.measures[measure]) / context.spreads[measure]
            for measure, value in own_measures(before, after, part, title, masks[part]).items()
            if context.spreads.get(measure, 0.0) > 1e-9
            and bool((value - before.measures[measure]).isfinite().all())
        }
        name = describe_effects(effects, 2)
        broken = breaks(context.realism[part], image, before.parsed, after.parsed)
        impact = replace(thumbnail.impact, named=name != UNSEEN, broken=broken)
        named.append(replace(thumbnail, name=name, impact=impact))
    return sorted(named, key=lambda shown: shown.impact.rank)
