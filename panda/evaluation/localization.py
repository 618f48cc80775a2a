"""Localization in figures: how well maps of concepts agree with face parsing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from panda.evaluation.baselines import (
    best_of,
    both_signs,
    direction_masks,
    principal_directions,
    random_directions,
)
from panda.evaluation.parsed import ParsedBatch, check_fits, parsed_batches
from panda.factorization.factors import Factors
from panda.generators.contract import Generator, Layer
from panda.generators.seeds import as_count, evaluation_seeds, selection_seeds
from panda.metrics.parsing import FaceParser, mask
from panda.metrics.removal import best_constant, iou
from panda.metrics.summary import estimate

CONCEPTS = {"background": ("background",), "hair": ("hair",), "skin": ("skin", "nose")}
"""Concepts and the face classes that they cover; that of the background is found automatically."""

AXES = 32
"""Columns of A that are tried for a concept."""

PART_AXES = 4
"""Appearances of each part that are tried for a concept."""


@dataclass(eq=False)
class _Concept:
    """What is measured of one concept.

    Attributes:
        name: Of the appearance whose map it is.
        vectors: The direction ``[C]`` of that appearance (``"iou"``) and of each baseline.
        constant: The mask ``[h, w]`` bool that fits best on the images to select on.
        rows: The overlaps of each with the truth, batch by batch.
    """

    name: str
    vectors: dict[str, Tensor]
    constant: Tensor
    rows: dict[str, list[Tensor]] = field(default_factory=lambda: defaultdict(list))

    def add(self, layer: Layer, features: Tensor, truth: Tensor) -> None:
        """Measure features ``[N, C, H, W]`` whose true masks are ``[N, h, w]``."""
        self.rows["constant"].append(iou(self.constant.expand_as(truth), truth))
        for name, vector in self.vectors.items():
            masks = direction_masks(layer, features, vector, truth.shape[1:])
            self.rows[name].append(iou(masks, truth))


def measure_localization(
    generator: Generator, fits: Sequence[Factors], parser: FaceParser, n: int, select: int = 16
) -> dict[str, Any]:
    """Measure the IoU of each concept's map with the parsed classes.

    The background's concept is the automatic one. For the others the appearance and sign that fit
    best on other images are taken: of the columns of A, and of every part's own appearances.

    Args:
        generator: The generator of the factors.
        fits: Whose concepts are measured: factors of one layer, such as of disjoint sets of seeds.
        parser: Says what is true.
        n: The number of images that the IoU is measured on.
        select: The number of other images, on which appearances and baselines are chosen.

    Returns:
        For each of `CONCEPTS` (without background, where no fit found one) the name of the chosen
        ``"concept"``, or names, and its ``"iou"``; that of the best ``"constant"`` mask, of the
        best of `TRIED` principal ``"components"`` of the features, and of the best of as many
        ``"random"`` directions; the ``"gain"``, by how much the first is above the constant mask,
        and the ``"lead"``, above the principal component. Each is the mean over images and fits,
        and half of its 95 % interval over both. ``"n"`` is the number of images.

    Raises:
        PandaError: Where the factors are of another generator or of several layers, or a number is
            below one.
    """
    n, select = as_count(n, "images"), as_count(select, "images to select on")
    first = check_fits(generator, fits)
    seen = list(parsed_batches(generator, first, parser, selection_seeds(select)))
    chosen = [_choose(factors, seen) for factors in fits]
    for batch in parsed_batches(generator, first, parser, evaluation_seeds(n)):
        for concepts in chosen:
            for name, concept in concepts.items():
                concept.add(first.layer, batch.state.x, mask(batch.parsed, *CONCEPTS[name]))
    every = {name: [fit[name] for fit in chosen if name in fit] for name in CONCEPTS}
    return {name: _figures(concepts) for name, concepts in every.items() if concepts}


def _figures(concepts: Sequence[_Concept]) -> dict[str, Any]:
    """Return what `measure_localization` returns of a concept, from each fit's."""
    rows = {
        key: torch.stack([torch.cat(concept.rows[key]) for concept in concepts])
        for key in concepts[0].rows
    }
    facts = {key: estimate(values) for key, values in rows.items()}
    gain, lead = (estimate(rows["iou"] - rows[other]) for other in ("constant", "components"))
    names = ", ".join(dict.fromkeys(concept.name for concept in concepts))
    return {"concept": names, **facts, "gain": gain, "lead": lead, "n": rows["iou"].shape[1]}


def _choose(factors: Factors, batches: list[ParsedBatch]) -> dict[str, _Concept]:
    """Return for each concept the directions and the constant mask that fit best."""
    layer = factors.layer
    features = torch.cat([batch.state.x for batch in batches])
    parsed = torch.cat([batch.parsed for batch in batches])
    truths = torch.stack([mask(parsed, *classes) for classes in CONCEPTS.values()])
    names, appearances = zip(*_appearances(factors).items(), strict=True)
    tried = {
        "iou": torch.stack(appearances, 1),
        "components": principal_directions(layer, features),
        "random": random_directions(layer.channels),
    }
    fits = {key: both_signs(layer, features, each, truths) for key, each in tried.items()}
    concepts = {}
    for index, name in enumerate(CONCEPTS):
        best = {key: best_of(rows[index]) for key, rows in fits.items()}
        vectors = {key: tried[key][:, k] * sign for key, (k, sign) in best.items()}
        concept = names[best["iou"][0]]
        if name == "background":
            if not factors.has_background:
                continue
            concept, vectors["iou"] = "bg", factors.background_detector
        concepts[name] = _Concept(concept, vectors, best_constant(truths[index]))
    return concepts


def _appearances(factors: Factors) -> dict[str, Tensor]:
    """Return the directions of appearance ``[C]`` that are tried, by name."""
    columns = range(min(AXES, factors.spread.shape[0]))
    vectors = {str(k): factors.appearances[:, k] for k in columns}
    for part, axes in enumerate(factors.own):
        vectors |= {f"{part}:p{k}": axis for k, axis in enumerate(axes[:PART_AXES])}
    return vectors
