"""Localization in figures: how well maps of concepts agree with face parsing."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from panda.editing.localize import concept_maps, enlarge, localize, otsu
from panda.evaluation.parsed import ParsedBatch, parsed_batches
from panda.factorization.factors import Factors
from panda.generators.contract import Generator
from panda.generators.seeds import as_count, evaluation_seeds, selection_seeds
from panda.metrics.parsing import FaceParser, mask
from panda.metrics.removal import iou
from panda.metrics.roir import SIZE
from panda.metrics.summary import mean_and_std

CONCEPTS = {"background": ("background",), "hair": ("hair",), "skin": ("skin", "nose")}
"""Concepts and the face classes that they cover; that of the background is found automatically."""

AXES = 32
"""Columns of A that are tried for a concept."""

PART_AXES = 4
"""Appearances of each part that are tried for a concept."""


def measure_localization(
    generator: Generator, factors: Factors, parser: FaceParser, n: int, select: int = 16
) -> dict[str, Any]:
    """Measure the IoU of each concept's map with the parsed classes.

    The background's concept is the automatic one. For the others the appearance and sign that fit
    best on other images are taken: of the columns of A, and of every part's own appearances.

    Args:
        generator: The generator of the factors.
        factors: Whose concepts are measured.
        parser: Says what is true.
        n: The number of images that the IoU is measured on.
        select: The number of other images that appearances are chosen on.

    Returns:
        For each of `CONCEPTS` the name of the chosen ``"concept"``, the ``"iou"`` as mean and
        standard deviation over the images, and ``"n"``.

    Raises:
        PandaError: Where the factors are of another generator, or a number is below one.
    """
    n, select = as_count(n, "images"), as_count(select, "images to select on")
    factors.check(generator)
    chosen = _choose(generator, factors, parser, select)
    vectors = _vectors(factors)
    ious: dict[str, list[Tensor]] = {name: [] for name in CONCEPTS}
    for batch in parsed_batches(generator, factors, parser, evaluation_seeds(n)):
        _, background = localize(factors, batch.state.x, "bg", resolution=SIZE)
        truth = mask(batch.parsed, *CONCEPTS["background"])
        ious["background"].append(iou(background, truth))
        for name, (key, sign) in chosen.items():
            ious[name].append(_overlap(factors, batch, vectors[key] * sign, name))
    names = {"background": "bg", **{name: key for name, (key, _) in chosen.items()}}
    return {
        name: {"concept": names[name], "iou": mean_and_std(torch.cat(values)), "n": n}
        for name, values in ious.items()
    }


def _choose(
    generator: Generator, factors: Factors, parser: FaceParser, count: int
) -> dict[str, tuple[str, float]]:
    """Return the direction and sign of each concept but the background's that fit best."""
    batches = list(parsed_batches(generator, factors, parser, selection_seeds(count)))
    vectors = _vectors(factors)
    chosen = {}
    for name in list(CONCEPTS)[1:]:
        scores = {
            (key, sign): mean_and_std(
                torch.cat([_overlap(factors, batch, vector * sign, name) for batch in batches])
            )[0]
            for key, vector in vectors.items()
            for sign in (1.0, -1.0)
        }
        chosen[name] = max(scores, key=lambda key: scores[key])
    return chosen


def _vectors(factors: Factors) -> dict[str, Tensor]:
    """Return the directions of appearance ``[C]`` that are tried, by name."""
    columns = range(min(AXES, factors.spread.shape[0]))
    vectors = {str(k): factors.appearances[:, k] for k in columns}
    for part in range(len(factors.own)):
        vectors |= {f"{part}:p{axis}": factors.own[part, axis] for axis in range(PART_AXES)}
    return vectors


def _overlap(factors: Factors, batch: ParsedBatch, vector: Tensor, name: str) -> Tensor:
    """Return the IoU ``[N]`` of a direction's thresholded map with a concept's classes."""
    maps = enlarge(concept_maps(factors.layer, batch.state.x, vector), SIZE)
    level = torch.stack([otsu(row) for row in maps])
    return iou(maps >= level[:, None, None], mask(batch.parsed, *CONCEPTS[name]))
