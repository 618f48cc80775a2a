"""Localization in figures: how well maps of concepts agree with face parsing."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from panda.editing.localize import concept_maps, enlarge, localize
from panda.evaluation.parsed import ParsedBatch, parsed_batches
from panda.factorization.factors import Factors
from panda.factorization.thresholds import otsu_each
from panda.generators.contract import Generator
from panda.generators.seeds import as_count, evaluation_seeds, selection_seeds
from panda.metrics.parsing import FaceParser, mask
from panda.metrics.removal import best_constant, iou
from panda.metrics.roir import SIZE
from panda.metrics.summary import mean_and_interval, mean_and_std

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
        For each of `CONCEPTS` (without background, where none was found) the name of the chosen
        ``"concept"``; the ``"iou"``, and that of the ``"constant"`` mask that fits best on the
        images to select on, as mean and standard deviation over the images; the ``"gain"``, by how
        much the first is above the second, as mean and half of its 95 % interval; and ``"n"``.

    Raises:
        PandaError: Where the factors are of another generator, or a number is below one.
    """
    n, select = as_count(n, "images"), as_count(select, "images to select on")
    factors.check(generator)
    seen = list(parsed_batches(generator, factors, parser, selection_seeds(select)))
    chosen = _choose(factors, seen)
    vectors = _vectors(factors)
    names = {name: key for name, (key, _) in chosen.items()}
    if factors.has_background:
        names = {"background": "bg", **names}
    parsed = torch.cat([batch.parsed for batch in seen])
    constants = {name: best_constant(mask(parsed, *CONCEPTS[name])) for name in names}
    ious: dict[str, list[Tensor]] = {name: [] for name in names}
    fixed: dict[str, list[Tensor]] = {name: [] for name in names}
    for batch in parsed_batches(generator, factors, parser, evaluation_seeds(n)):
        for name in names:
            truth = mask(batch.parsed, *CONCEPTS[name])
            fixed[name].append(iou(constants[name].expand_as(truth), truth))
            if name == "background":
                _, background = localize(factors, batch.state.x, "bg", resolution=SIZE)
                ious[name].append(iou(background, truth))
            else:
                key, sign = chosen[name]
                ious[name].append(_overlap(factors, batch, vectors[key] * sign, name))
    return {name: _figures(names[name], n, ious[name], fixed[name]) for name in names}


def _figures(concept: str, n: int, ious: list[Tensor], fixed: list[Tensor]) -> dict[str, Any]:
    """Return the figures of one concept from its IoUs and those of the constant mask."""
    found, constant = torch.cat(ious), torch.cat(fixed)
    return {
        "concept": concept,
        "iou": mean_and_std(found),
        "constant": mean_and_std(constant),
        "gain": mean_and_interval(found - constant),
        "n": n,
    }


def _choose(factors: Factors, batches: list[ParsedBatch]) -> dict[str, tuple[str, float]]:
    """Return the direction and sign of each concept but the background's that fit best."""
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
    return iou(maps >= otsu_each(maps), mask(batch.parsed, *CONCEPTS[name]))
