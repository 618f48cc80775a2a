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
from panda.metrics.roir import SIZE, small
from panda.naming.effects import (
    Measure,
    Parse,
    concerns,
    describe_effects,
    look,
    look_at_faces,
    spread,
)
from panda.naming.names import describe_part, place_of
from panda.naming.saved import names_of
from panda.studio.session import SIGMAS, Canvas

AXES = 8
"""Appearances of a part that are shown, at most."""

SAMPLES = 6
"""Samples from which parts are named and effects are scaled."""

THUMB = 144
"""Width of a thumbnail, in pixels."""


@dataclass(frozen=True)
class Thumbnail:
    """An appearance of a part, added to an image.

    Attributes:
        appearance: The appearance, such as ``"p0"``.
        effect: Mean change inside the part, as a share of the range of images, in [0, 1].
        picture: The part after the change.
        image: The whole image after the change, reduced to ``[3, SIZE, SIZE]``.
        stable: Whether two halves of the fit's samples agree on the appearance.
        name: The effect in words; empty until it is named.
    """

    appearance: str
    effect: float
    picture: Image.Image
    image: Tensor
    stable: bool = True
    name: str = ""


@dataclass(frozen=True)
class NamingContext:
    """What the names of parts and effects are computed from.

    Attributes:
        parts: The names of the parts.
        spreads: The standard deviation of each measure over samples.
        parse: The face parser; None for generators of other things.
    """

    parts: tuple[str, ...]
    spreads: Mapping[Measure, float]
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
    return NamingContext(tuple(_saved_names(factors) or names), spreads, parse)


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
    before, where = small(canvas.before), resize_map(mask, SIZE)
    unstable = {f"p{axis}" for axis in canvas.factors.unstable_axes(part)}
    made: list[Thumbnail] = []
    for images in canvas.batches(edits, refined):
        effects, _ = change(before, small(images), where)
        for effect, image in zip(effects, images, strict=True):
            picture = to_picture(crop(image, box), THUMB)
            reduced = small(image[None])[0]
            axis = axes[len(made)]
            made.append(Thumbnail(axis, float(effect), picture, reduced, axis not in unstable))
    return made


def name_thumbnails(
    canvas: Canvas, part: int, unnamed: Sequence[Thumbnail], context: NamingContext
) -> list[Thumbnail]:
    """Name thumbnails by what changes, in standard deviations over samples of the generator.

    Args:
        canvas: The image.
        part: The index of the part.
        unnamed: The thumbnails of the part.
        context: The naming context of the canvas's factors.
    """
    if not unnamed:
        return []
    images = torch.cat([small(canvas.before), *(shown.image[None] for shown in unnamed)])
    measures = look(images, context.parse, canvas.factors.masks).measures
    named = []
    for row, thumbnail in enumerate(unnamed, 1):
        effects = {
            measure: float(values[row] - values[0]) / context.spreads[measure]
            for measure, values in measures.items()
            if concerns(measure, part, context.parts[part])
            and context.spreads.get(measure, 0.0) > 1e-9
            and bool(torch.isfinite(values[[0, row]]).all())
        }
        named.append(replace(thumbnail, name=describe_effects(effects, 2)))
    return named
