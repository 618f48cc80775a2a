"""What edits by directions look like: a few samples of each generator in one picture."""

from __future__ import annotations

import math

from PIL import Image
from torch import Tensor

from panda.editing.remove import object_map
from panda.evaluation.background.directions import METHODS, Direction, as_background, given
from panda.evaluation.background.measure import edits_by
from panda.evaluation.background.scenes import BATCH, batches
from panda.evaluation.background.settings import BackgroundSettings, layers_of
from panda.evaluation.baselines import direction_masks
from panda.factorization.fit import fit
from panda.generators.contract import Generator, Layer
from panda.generators.labels import Label
from panda.generators.seeds import evaluation_seeds, selection_seeds
from panda.images import to_picture
from panda.metrics.roir import small
from panda.shapes import Size

SIDE = 16
"""Positions a side of the layer that is nearest to the one shown: where edits do most."""

SAMPLES = 2
"""Samples of each generator."""

THUMB = 128
"""Pixels of a picture."""

SHOWN = ("column", "axis", "random")
"""Kinds of directions that are shown, before the detector."""


def shown_layer(generator: Generator) -> Layer:
    """Return the layer whose edits are shown, the one nearest to `SIDE` positions a side."""
    layers = reversed(layers_of(generator))  # of a sampler's and a decoder's the latter
    return min(layers, key=lambda layer: abs(math.log(layer.side / SIDE)))


def show(
    generator: Generator, label: Label | None, settings: BackgroundSettings, chosen: Tensor
) -> list[list[Image.Image]]:
    """Return a row of pictures for each of a few scored samples.

    Its columns are the sample; for each kind of `SHOWN` where it sees background, the direction
    added where the detector sees the object, and the object that it finds itself painted by it; and
    the object without which ``panda remove`` leaves the sample.

    Args:
        generator: Where the samples come from.
        label: The class of all; None where each seed draws its own.
        settings: Those of the study.
        chosen: The appearances of each kind of `METHODS` at `shown_layer` in the first set of
            seeds, ``[M, C]``.
    """
    layer = shown_layer(generator)
    parts = min(settings.parts, layer.positions)
    factors = fit(generator, layer.name, parts=parts, seeds=settings.fit_seeds(0), label=label)
    selection = selection_seeds(min(BATCH, settings.selected))
    seen = [
        (generator.head(some, layer.name).x, None) for some in batches(generator, label, selection)
    ]
    detector = given(layer, "bg", factors.background_detector, factors.background, seen)
    (latents,) = batches(generator, label, evaluation_seeds(min(SAMPLES, settings.n)))
    state = generator.head(latents, layer.name)
    norm = float(factors.background.norm())
    where = object_map(as_background(factors, detector, norm), state.x)
    columns = [_thumbs(generator.tail(state, layer.name))]
    for kind in (*SHOWN, "detector"):
        direction = detector
        if kind != "detector":
            vector = chosen[list(METHODS).index(kind)]
            direction = given(layer, kind, vector, vector, seen)
            columns.append(_masks(layer, state.x, direction, generator.size))
        taken = as_background(factors, direction, norm)
        for task, x in edits_by(taken, state.x, where, kind == "detector"):
            if kind != "detector" or task == "continue":
                columns.append(_thumbs(generator.tail(state.with_features(x), layer.name)))
    return [list(row) for row in zip(*columns, strict=True)]


def _masks(layer: Layer, x: Tensor, direction: Direction, size: Size) -> list[Image.Image]:
    masks = direction_masks(layer, x, direction.detector, size).float()
    return _thumbs(2 * masks[:, None] - 1)


def _thumbs(images: Tensor) -> list[Image.Image]:
    return [to_picture(image, THUMB) for image in small(images)]
