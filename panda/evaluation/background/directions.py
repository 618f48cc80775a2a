"""Directions that may act as background, and the baselines that they are compared with.

Of each kind as many candidates are tried, with both signs, and the one that fits best on samples of
their own is taken. What is left of a difference between kinds is then what they are, not how often
one could choose.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from panda.editing.localize import concept_maps
from panda.evaluation.background.settings import PART_AXES
from panda.evaluation.baselines import TRIED, best_of, both_signs
from panda.factorization.background import look_mask
from panda.factorization.factors import Factors
from panda.factorization.thresholds import otsu_each
from panda.generators.contract import Layer

METHODS = {
    "column": "the best column of A",
    "axis": "the best own appearance of a part",
    "principal": "the best principal component of the features",
    "random": "the best random direction",
    "one random": "a random direction",
    "detector": "the detector and the background appearance, found without labels",
}
"""Kinds of directions, in words."""

EDITED = ("column", "axis", "principal", "random", "detector")
"""Kinds by which images are edited."""

CHOICE = 64
"""Pixels of the maps that candidates are chosen by."""


@dataclass(frozen=True, eq=False)
class Direction:
    """Where background is, and what it looks like.

    Attributes:
        name: Such as ``"+3"``, a column of A with its sign, or ``"-2:p1"``.
        detector: ``[C]``, whose coordinate is higher by one on background than elsewhere.
        appearance: ``[C]`` of norm one: what is added or painted.
        selected: How well it fits on the samples that choices are made on.
    """

    name: str
    detector: Tensor
    appearance: Tensor
    selected: float


@dataclass(frozen=True, eq=False)
class Candidates:
    """Directions of one kind: their names, and unit vectors ``[K, C]``."""

    names: Sequence[str]
    vectors: Tensor


def find_candidates(factors: Factors, principal: Tensor, random: Tensor) -> dict[str, Candidates]:
    """Return the candidates of each kind of which one is chosen.

    Args:
        factors: Whose columns and own appearances are tried.
        principal: The first principal directions of the features ``[C, K]``.
        random: Random directions ``[C, K]``.
    """
    own = factors.own[:, :PART_AXES]
    axes = [f"{part}:p{axis}" for axis in range(own.shape[1]) for part in range(len(own))]
    vectors = {
        "column": factors.appearances.T[:TRIED],
        "axis": own.movedim(1, 0).flatten(0, 1)[:TRIED],
        "principal": principal.T[:TRIED],
        "random": random.T[:TRIED],
    }
    names = {"axis": axes[:TRIED]}
    return {
        kind: Candidates(names.get(kind, [str(k) for k in range(len(rows))]), _unit(rows))
        for kind, rows in vectors.items()
    }


def contrast(maps: Tensor) -> Tensor:
    """Return how much higher maps ``[N, h, w]`` are in the upper corners than elsewhere, ``[N]``.

    It is in standard deviations of each map; 0 for a map that is the same everywhere.
    """
    corners = look_mask(*maps.shape[1:]).to(maps.device)
    flat = maps.flatten(1)
    inside = corners.flatten()
    apart = flat[:, inside].mean(1) - flat[:, ~inside].mean(1)
    return apart / flat.std(1).clamp_min(1e-12)


def fitness(layer: Layer, vectors: Tensor, x: Tensor, truth: Tensor | None) -> Tensor:
    """Return how well each vector and its opposite tell background, ``[K, 2, N]``.

    Args:
        layer: The layer.
        vectors: ``[K, C]``.
        x: Features ``[N, C, H, W]``.
        truth: True background ``[N, H, W]`` bool, with which the thresholded map's IoU is measured;
            None where nothing says what is true: then it is the `contrast`.
    """
    if truth is not None:
        return both_signs(layer, x, vectors.T, truth[None].to(x.device))[0].cpu()
    values = torch.stack([contrast(concept_maps(layer, x, vector)) for vector in vectors])
    return torch.stack([values, -values], 1).cpu()


Batches = Sequence[tuple[Tensor, Tensor | None]]
"""Features, and true background, as `fitness` takes them."""


def choose(
    layer: Layer, candidates: Mapping[str, Candidates], batches: Batches
) -> dict[str, Direction]:
    """Return the candidate and sign of each kind that fit best on some samples."""
    chosen = {}
    for kind, of_kind in candidates.items():
        fits = torch.cat([fitness(layer, of_kind.vectors, x, truth) for x, truth in batches], 2)
        index, sign = best_of(fits)
        vector = of_kind.vectors[index] * sign
        name = ("+" if sign > 0 else "-") + of_kind.names[index]
        chosen[kind] = given(layer, name, vector, vector, batches)
    return chosen


def given(
    layer: Layer, name: str, detector: Tensor, appearance: Tensor, batches: Batches
) -> Direction:
    """Return a direction with its score on the samples that choices are made on."""
    scores = torch.cat([fitness(layer, detector[None], x, truth) for x, truth in batches], 2)
    scale = _gap(layer, detector, [x for x, _ in batches])
    unit = _unit(appearance[None])[0]
    score = float(scores[0, 0].nanmean().nan_to_num(0.0))
    return Direction(name, detector / scale, unit, score)


def as_background(factors: Factors, direction: Direction, norm: float) -> Factors:
    """Return factors that take a direction for the background, whatever was found.

    Args:
        factors: Whose parts and layer stay.
        direction: What takes the place of the background appearance and of its detector.
        norm: Of the appearance; that of a typical feature vector in factors of a fit.
    """
    return replace(
        factors,
        background=direction.appearance * norm,
        background_detector=direction.detector,
        config={**factors.config, "background": {"border": factors.background_border}},
    )


def _gap(layer: Layer, vector: Tensor, batches: Sequence[Tensor]) -> float:
    """Return how far the means of the two classes that Otsu's threshold makes are apart."""
    gaps = []
    for x in batches:
        maps = concept_maps(layer, x, vector)
        above = maps >= otsu_each(maps)
        for row, inside in zip(maps, above, strict=True):
            gaps.append((row[inside].mean() - row[~inside].mean()).nan_to_num(0))
    return max(float(torch.stack(gaps).mean()), 1e-12)


def _unit(vectors: Tensor) -> Tensor:
    norms: Tensor = vectors.norm(dim=1, keepdim=True)
    return vectors / norms.clamp_min(1e-30)
