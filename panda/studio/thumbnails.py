"""What the appearances of a part do to it in one image: thumbnails, how much, and in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from PIL import Image
from torch import Tensor

from panda.editing.edits import Edit
from panda.errors import PandaError
from panda.factorization.factors import Factors
from panda.generators.contract import Generator, on_canvas
from panda.images import crop, crop_box, resize_map, to_picture
from panda.metrics.changes import change
from panda.metrics.faces import are_faces
from panda.metrics.roir import SIZE, small
from panda.naming.effects import Measure, Parse, concerns, describe_effects, look, spread
from panda.naming.names import describe_part, names_of, place_of
from panda.studio.session import SIGMAS, Canvas

AXES = 8
"""Own appearances of a part that are shown."""

SAMPLES = 6
"""Samples that tell what effects are large and what parts cover."""

THUMB = 144


@dataclass(frozen=True)
class Thumbnail:
    """One appearance of a part: ``effect`` is the mean change there, a share of the range."""

    appearance: str
    effect: float
    picture: Image.Image
    image: Tensor
    name: str = ""


@dataclass(frozen=True)
class Guide:
    """What words need: names of the parts, and by how much each measure varies over samples.

    ``parse`` is there where the generator makes faces.
    """

    parts: tuple[str, ...]
    spreads: Mapping[Measure, float]
    parse: Parse | None


def make_guide(generator: Generator, factors: Factors, parse: Parse | None) -> Guide:
    """Look at some samples of a generator, at faces by ``parse`` where it makes any."""
    latents = generator.sample(range(SAMPLES), truncation=generator.usual_truncation)
    rows = [generator.forward(latents[k : k + 1]) for k in range(SAMPLES)]
    images = small(torch.cat(rows))
    masks = on_canvas(factors.masks, factors.layer)
    looks = look(images, parse, masks)
    if looks.parsed is not None and not are_faces(looks.parsed):
        parse, looks = None, look(images, None, masks)
    names = [describe_part(mask, looks.parsed) for mask in masks]
    spreads = {
        name: spread(values)
        for name, values in looks.measures.items()
        if float(values.nanmedian()) != 0  # most samples have no hat: any would be a huge effect
    }
    return Guide(tuple(_known(factors) or names), spreads, parse)


def place_names(factors: Factors) -> list[str]:
    """Names of parts that need no image: those that the factors have, or where the parts are."""
    masks = on_canvas(factors.masks, factors.layer)
    return _known(factors) or [place_of(mask) for mask in masks]


def _known(factors: Factors) -> list[str]:
    try:
        names = [str(part["name"]) for part in names_of(factors)["parts"]]
    except (PandaError, TypeError, KeyError):
        return []
    return names if len(names) == factors.parts.shape[1] else []


def thumbnails(canvas: Canvas, part: int, *, refined: bool = False) -> Iterator[list[Thumbnail]]:
    """The part with each of its own appearances added, the greatest effect first.

    Yields all that there are so far, again and again until they are complete.
    """
    axes = [f"p{axis}" for axis in range(min(AXES, canvas.factors.own.shape[1]))]
    axes = [axis for axis in axes if canvas.factors.vector(axis, (part,))[1] > 0]
    edits = [[Edit((part,), axis, SIGMAS, sigma=True)] for axis in axes]
    mask = on_canvas(canvas.masks(refined), canvas.factors.layer)[part]
    box = crop_box(mask) if bool((mask > 0.5).any()) else (0.0, 0.0, 1.0)
    before, where = small(canvas.before), resize_map(mask, SIZE)
    found: list[Thumbnail] = []
    if not edits:
        yield found  # nothing of this part varies
    for images in canvas.batches(edits, refined):
        effects, _ = change(before, small(images), where)
        for effect, image in zip(effects, images, strict=True):
            picture = to_picture(crop(image, box), THUMB)
            shown = small(image[None])[0]
            found.append(Thumbnail(axes[len(found)], float(effect), picture, shown))
        yield sorted(found, key=lambda one: -one.effect)


def name_thumbnails(
    canvas: Canvas, part: int, found: Sequence[Thumbnail], guide: Guide
) -> list[Thumbnail]:
    """The same with names: what changes, in standard deviations over samples of the generator."""
    if not found:
        return []
    masks = on_canvas(canvas.factors.masks, canvas.factors.layer)
    images = torch.cat([small(canvas.before), *(one.image[None] for one in found)])
    measures = look(images, guide.parse, masks).measures
    named = []
    for row, one in enumerate(found, 1):
        effects = {
            name: float(values[row] - values[0]) / guide.spreads[name]
            for name, values in measures.items()
            if concerns(name, part)
            and guide.spreads.get(name, 0.0) > 1e-9
            and bool(torch.isfinite(values[[0, row]]).all())
        }
        named.append(replace(one, name=describe_effects(effects, 2)))
    return named
