"""One layer and one set of fit seeds: fit, choose, and measure what each direction does."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from panda.editing.localize import concept_maps, enlarge
from panda.editing.remove import PAINT, REACH, background_color, object_map, remove
from panda.evaluation.background.directions import (
    CHOICE,
    EDITED,
    Direction,
    as_background,
    choose,
    contrast,
    find_candidates,
    given,
)
from panda.evaluation.background.scenes import Scenes
from panda.evaluation.background.settings import BackgroundSettings
from panda.evaluation.baselines import (
    TRIED,
    direction_masks,
    principal_directions,
    random_directions,
)
from panda.factorization.factors import Factors
from panda.factorization.features import Features
from panda.factorization.fit import fit
from panda.generators.contract import Layer, on_canvas
from panda.metrics.changes import change
from panda.metrics.colors import mean_color
from panda.metrics.removal import SEAM, away_from, damage, iou, seam, texture_ratio
from panda.metrics.roir import SIZE, small
from panda.shapes import within

POINTS = 2**16
"""Feature vectors of which principal components are made, evenly spread; or all of fewer."""

MAP = 16
"""Positions a side of the maps that are compared between sets."""

Figures = dict[str, Any]


def measure_set(
    scenes: Scenes, layer: Layer, settings: BackgroundSettings, number: int
) -> tuple[Figures, dict[str, Tensor]]:
    """Fit factors to one set of seeds, choose a direction of each kind, and measure it.

    Args:
        scenes: The samples to choose and to score on.
        layer: The layer.
        settings: How many of everything.
        number: Of the set, from 0.

    Returns:
        The figures, values of single samples in lists; and tensors: ``chosen`` ``[M, C]``, the
        appearance of each kind; ``maps`` ``[M, N, MAP, MAP]``; and the candidates of each kind,
        ``[K, C]``.
    """
    generator, seeds = scenes.generator, settings.fit_seeds(number)
    parts = min(settings.parts, layer.positions)
    factors = fit(generator, layer.name, parts=parts, seeds=seeds, label=scenes.label)
    vectors = _vectors(Features(generator, layer, seeds, label=scenes.label))
    norm = float(vectors.double().square().sum(1).mean().sqrt())
    random = random_directions(layer.channels, TRIED + 1, seed=number)
    row = Layer(layer.name, layer.channels, len(vectors), 1)
    principal = principal_directions(row, vectors.T[None, :, :, None], min(TRIED, layer.channels))
    candidates = find_candidates(factors, principal, random[:, 1:])
    batches = list(_selection(scenes, layer))
    directions = choose(layer, candidates, batches)
    directions["one random"] = given(layer, "+0", random[:, 0], random[:, 0], batches)
    directions["detector"] = given(
        layer, "bg", factors.background_detector, factors.background, batches
    )
    del batches
    methods: dict[str, dict[str, Any]] = {
        kind: {
            "name": direction.name,
            "selected": direction.selected,
            "likeness": float(direction.appearance @ factors.background)
            / max(float(factors.background.norm()), 1e-30),
            "values": {},
        }
        for kind, direction in directions.items()
    }
    maps = _localize(scenes, layer, directions, methods)
    before = _edit(scenes, factors, directions, norm, settings.edited_rows(number), methods)
    verdict = factors.verdict
    figures = {
        "layer": layer.name,
        "side": layer.side,
        "set": number,
        "seeds": [seeds[0], seeds[-1]],
        "weights_sha256": generator.digest,
        "agreement": verdict.agreement if verdict else None,
        "covered": verdict.covered if verdict else None,
        "found": factors.has_background,
        "constant": _constant(scenes),
        "whole": scenes.whole,
        "before": before,
        "methods": methods,
    }
    chosen = torch.stack([direction.appearance for direction in directions.values()])
    kept = {kind: of_kind.vectors for kind, of_kind in candidates.items()}
    return figures, {"chosen": chosen, "maps": maps, **kept}


def _vectors(features: Features) -> Tensor:
    """Return feature vectors ``[n, C]`` of positions in the image, evenly spread."""
    layer, rows = features.layer, []
    step = max(1, len(features.seeds) * layer.positions // POINTS)
    for number, batch in enumerate(features):  # another offset for each, so that no place is left
        maps = on_canvas(batch.reshape(-1, layer.height, layer.width), layer)
        vectors = maps.reshape(len(batch), layer.channels, -1).mT.flatten(0, 1)
        rows.append(vectors[number % step :: step].cpu())
    return torch.cat(rows)


def _selection(scenes: Scenes, layer: Layer) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Yield features of the samples that choices are made on, with their parsed background."""
    start = 0
    for state in scenes.states(scenes.selection, layer.name):
        truth = scenes.chosen_on
        if truth is not None:
            rows = truth[start : start + len(state.x)].float()
            truth = F.interpolate(rows[:, None], (CHOICE, CHOICE), mode="area")[:, 0] >= 0.5
        start += len(state.x)
        yield state.x, truth


def _localize(
    scenes: Scenes,
    layer: Layer,
    directions: dict[str, Direction],
    methods: dict[str, dict[str, Any]],
) -> Tensor:
    """Measure where each direction sees background; return its maps ``[M, N, MAP, MAP]``."""
    kept: dict[str, list[Tensor]] = {kind: [] for kind in directions}
    start = 0
    for state in scenes.states(scenes.scored, layer.name):
        rows = slice(start, start + len(state.x))
        start += len(state.x)
        for kind, direction in directions.items():
            maps = concept_maps(layer, state.x, direction.detector)
            values = methods[kind]["values"]
            _add(values, "contrast", contrast(maps))
            size = min(MAP, layer.side)
            kept[kind].append(F.adaptive_avg_pool2d(maps[None], (size, size))[0].cpu())
            if scenes.truth is not None:
                truth = scenes.truth[rows]
                masks = direction_masks(layer, state.x, direction.detector, truth.shape[1:])
                _add(values, "iou", iou(masks.cpu(), truth))
    return torch.stack([torch.cat(rows) for rows in kept.values()])


def _constant(scenes: Scenes) -> list[float | None] | None:
    """Return the IoU of the constant mask with each scored sample's background."""
    if scenes.truth is None or scenes.constant is None:
        return None
    return _plain(iou(scenes.constant.expand_as(scenes.truth), scenes.truth))


def _edit(
    scenes: Scenes,
    factors: Factors,
    directions: dict[str, Direction],
    norm: float,
    rows: list[int],
    methods: dict[str, dict[str, Any]],
) -> dict[str, list[float | None]]:
    """Edit some scored samples by each direction, and measure what that does.

    ``add``: the direction is added where the object is. ``paint``: the direction finds the object,
    and paints it. ``continue``: it finds the object, and what surrounds it goes on there.

    Returns:
        ``area``, ``seam`` and ``color`` of the samples before.
    """
    generator, layer = scenes.generator, factors.layer
    before: dict[str, list[float | None]] = {}
    start = 0
    for state in scenes.states([scenes.scored[row] for row in rows], layer.name):
        batch = rows[start : start + len(state.x)]
        start += len(state.x)
        images = small(generator.tail(state, layer.name))
        where, inside = _object(scenes, factors, directions["detector"], batch, state.x, norm)
        around, away = mean_color(images, ~inside), away_from(inside, SEAM)
        _add(before, "area", inside.float().mean((1, 2)))
        _add(before, "color", (mean_color(images, inside) - around).norm(dim=1))
        _add(before, "seam", seam(images, inside))
        for kind in EDITED:
            values = methods[kind]["values"]
            taken = as_background(factors, directions[kind], norm)
            for task, x in edits_by(taken, state.x, where, kind == "detector"):
                after = small(generator.tail(state.with_features(x), layer.name))
                background = scenes.background(after)
                if background is not None:
                    _add(values, f"{task} area", (~background).float().mean((1, 2)))
                color = (mean_color(after, inside) - around).norm(dim=1)
                _add(values, f"{task} color", color)
                _add(values, f"{task} seam", seam(after, inside))
                _add(values, f"{task} texture", texture_ratio(after, inside, away))
                _add(values, f"{task} damage", damage(images, after, away))
                _add(values, f"{task} change", change(images, after, inside.float().cpu())[0])
    return before


def edits_by(
    factors: Factors, x: Tensor, where: Tensor, is_detector: bool
) -> Iterator[tuple[str, Tensor]]:
    """Yield each task with the edited features, by what factors take for the background.

    Args:
        factors: Whose background it is (`as_background`).
        x: Features ``[N, C, H, W]``.
        where: Where the background appearance is added, ``[N, H, W]`` in [0, 1].
        is_detector: Whether it is the detector's, by which the surroundings are continued, too.
    """
    yield "add", x + PAINT * factors.background.to(x)[:, None, None] * where[:, None]
    own = (object_map(factors, x) * REACH).clamp_max(1)
    yield "paint", torch.lerp(x, background_color(factors, x)[:, :, None, None], own[:, None])
    if is_detector:
        yield "continue", remove(factors, x)


def _object(
    scenes: Scenes, factors: Factors, detector: Direction, rows: list[int], x: Tensor, norm: float
) -> tuple[Tensor, Tensor]:
    """Return where the object is in the features ``[N, H, W]``, and in the images, bool.

    Face parsing says so; without it, the detector does.
    """
    layer = factors.layer
    if scenes.truth is None:
        where = object_map(as_background(factors, detector, norm), x)
        seen = within(scenes.generator.size, SIZE)
        return where, enlarge(on_canvas(where, layer), seen) > 0.5
    inside = ~scenes.truth[rows].to(x.device)
    size = layer.height - 2 * layer.margin, layer.width - 2 * layer.margin
    where = F.interpolate(inside[:, None].to(x), size, mode="area")
    return F.pad(where, (layer.margin,) * 4, mode="replicate")[:, 0], inside


def _add(values: dict[str, list[float | None]], name: str, more: Tensor) -> None:
    values.setdefault(name, []).extend(_plain(more))


def _plain(values: Tensor) -> list[float | None]:
    """Return numbers to the digits that tell something; None for what is not finite."""
    return [round(v, 5) if math.isfinite(v) else None for v in values.double().tolist()]
