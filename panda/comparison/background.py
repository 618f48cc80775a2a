"""Background factors: which layers carry them, how well they localize, what removal leaves."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from panda.comparison.plan import Plan, background_layers
from panda.comparison.results import Depth, Removal
from panda.editing.localize import concept_maps, enlarge
from panda.editing.remove import object_map, remove
from panda.errors import PandaError
from panda.evaluation.baselines import (
    best_of,
    both_signs,
    direction_masks,
    principal_directions,
    random_directions,
)
from panda.factorization.background import (
    SAMPLES,
    Background,
    border_mask,
    find_background,
    look_mask,
    pooled,
)
from panda.factorization.factors import Factors
from panda.factorization.features import Features
from panda.factorization.verdict import MOST, Verdict, judge
from panda.generators.contract import Generator, Latents, Layer, on_canvas
from panda.generators.seeds import evaluation_seeds, selection_seeds
from panda.metrics.changes import change
from panda.metrics.parsing import CLASSES, FaceParser, mask, share
from panda.metrics.removal import SEAM, area_gone, away_from, best_constant, damage, iou, seam
from panda.metrics.roir import small
from panda.metrics.summary import Estimate, estimate

BATCH = 8


@dataclass(eq=False)
class _DepthSums:
    """Sums over features of samples, of which the figures of a layer are made.

    Attributes:
        layer: The layer.
        backgrounds: Those of disjoint sets of samples.
        verdict: Whether there is one.
        baselines: Directions ``[C, K]`` of each kind.
        chosen: The direction ``[C]`` of each kind that fits best on the samples to select on.
        selected: On these samples, the figure by which layers are chosen.
    """

    layer: Layer
    backgrounds: list[Background]
    verdict: Verdict | None
    baselines: dict[str, Tensor]
    chosen: dict[str, Tensor] = field(default_factory=dict)
    selected: float = math.nan
    count: int = 0
    first: Tensor | float = 0.0
    square: float = 0.0
    along: list[Tensor] = field(default_factory=list)
    contrast: list[Tensor] = field(default_factory=list)
    ious: dict[str, list[Tensor]] = field(default_factory=lambda: defaultdict(list))

    def select(self, features: Tensor, truth: Tensor | None) -> None:
        """Choose baselines, and measure the figure by which layers are chosen.

        Args:
            features: Those of the samples to select on, ``[N, C, H, W]``.
            truth: Their true background, ``[N, h, w]`` bool; None without faces.
        """
        if truth is None:
            self.selected = estimate(self._contrasts(features))[0]
            return
        self.selected = estimate(self._overlaps(features, truth))[0]
        for name, directions in self.baselines.items():
            (rows,) = both_signs(self.layer, features, directions, truth[None])
            best, sign = best_of(rows)
            self.chosen[name] = directions[:, best] * sign

    def add(self, features: Tensor, truth: Tensor | None, constant: Tensor | None) -> None:
        """Add features ``[N, C, H, W]`` of samples that figures are measured on.

        Args:
            features: The features.
            truth: The true background, ``[N, h, w]`` bool; None without faces.
            constant: The mask ``[h, w]`` bool to compare with.
        """
        inside = on_canvas(features.flatten(0, 1), self.layer)
        inside = inside.reshape(*features.shape[:2], -1)
        self.count += len(features) * inside.shape[2]
        self.first = self.first + inside.double().sum((0, 2))
        self.square += float(inside.double().square().sum())
        units = [b.appearance / b.appearance.norm().clamp_min(1e-30) for b in self.backgrounds]
        self.along.append((torch.stack(units).to(inside) @ inside).double().movedim(1, 0))
        self.contrast.append(self._contrasts(features))
        if truth is not None and constant is not None:
            self.ious["iou"].append(self._overlaps(features, truth))
            self.ious["constant"].append(iou(constant.expand_as(truth), truth)[None])
            for name, direction in self.chosen.items():
                masks = direction_masks(self.layer, features, direction, truth.shape[1:])
                self.ious[name].append(iou(masks, truth)[None])

    def _contrasts(self, features: Tensor) -> Tensor:
        """Return the contrast of each detector and sample, ``[sets, N]``."""
        border = on_canvas(border_mask(self.layer)[None], self.layer)[0].bool()
        border, rows = border.to(features.device), []
        for background in self.backgrounds:
            maps = concept_maps(self.layer, features, background.detector)
            apart = maps[:, border].mean(1) - maps[:, ~border].mean(1)
            rows.append(apart / maps.flatten(1).std(1).clamp_min(1e-12))
        return torch.stack(rows)

    def _overlaps(self, features: Tensor, truth: Tensor) -> Tensor:
        """Return how each detector's masks overlap with the truth, ``[sets, N]``."""
        detectors = (background.detector for background in self.backgrounds)
        size = truth.shape[1:]
        masks = (direction_masks(self.layer, features, each, size) for each in detectors)
        return torch.stack([iou(each, truth) for each in masks])

    def depth(self) -> Depth:
        """Return the figures; raise `PandaError` where the features do not vary."""
        mean = self.first / self.count
        variance = self.square / self.count - float(mean.square().sum())  # type: ignore[union-attr]
        if not variance > 0:
            raise PandaError(
                f"the features of {self.layer.name} do not vary, so they have no background"
            )
        along = torch.cat(self.along, 1)  # [sets, N, positions]
        shares = (along - along.mean((1, 2), keepdim=True)).square().mean(2) / variance
        rows = {name: torch.cat(values, 1) for name, values in self.ious.items()}
        gain = rows["iou"] - rows["constant"] if rows else None
        lead = rows["iou"] - rows["components"] if rows else None
        verdict = self.verdict
        return Depth(
            layer=self.layer.name,
            size=self.layer.side,
            share=estimate(shares),
            contrast=estimate(torch.cat(self.contrast, 1)),
            selected=self.selected,
            iou=summary(rows.get("iou")),
            gain=summary(gain),
            constant=summary(rows.get("constant")),
            components=summary(rows.get("components")),
            random=summary(rows.get("random")),
            lead=summary(lead),
            agreement=verdict.agreement if verdict else None,
            covered=verdict.covered if verdict else None,
        )


def measure_depths(
    generator: Generator, plan: Plan, parser: FaceParser | None
) -> tuple[Depth, ...]:
    """Find background at one layer of each size, and measure it on samples that no fit saw.

    Raises:
        PandaError: Where the features of a layer do not vary.
    """
    sums = [_sums(generator, layer, plan) for layer in background_layers(generator, plan)]
    seeds = selection_seeds(plan.selected)
    latents = generator.sample(seeds, truncation=generator.usual_truncation)
    truth = constant = None
    if parser is not None:
        parsed = [_background(parser, generator.forward(sample)) for sample in latents]
        truth = torch.cat(parsed)
        constant = best_constant(truth)
    for layer_sums in sums:
        layer_sums.select(generator.head(latents, layer_sums.layer.name).x, truth)
    for latents in scored_batches(generator, plan):
        truth = None if parser is None else _background(parser, generator.forward(latents))
        for layer_sums in sums:
            layer_sums.add(generator.head(latents, layer_sums.layer.name).x, truth, constant)
    return tuple(layer_sums.depth() for layer_sums in sums)


def _sums(generator: Generator, layer: Layer, plan: Plan) -> _DepthSums:
    """Find the background of a layer in disjoint sets of samples, and judge it."""
    sets = max(1, min(plan.sets, plan.samples // SAMPLES))
    size = layer.height, layer.width
    features = Features(generator, layer, range(min(max(MOST, sets * SAMPLES), plan.samples)))
    maps = [pooled(sample.view(-1, *size), layer) for batch in features for sample in batch]
    x = torch.stack(maps)
    backgrounds = [find_background(x[SAMPLES * k : SAMPLES * (k + 1)]) for k in range(sets)]
    place = look_mask(x.shape[2], x.shape[3])
    verdict = judge(x - x.mean((0, 2, 3), keepdim=True), None, backgrounds[0], place)
    canvas = Layer(layer.name, layer.channels, x.shape[2], x.shape[3])
    baselines = {
        "components": principal_directions(canvas, x),
        "random": random_directions(layer.channels).to(x),
    }
    return _DepthSums(layer, backgrounds, verdict, baselines)


def _background(parser: FaceParser, images: Tensor) -> Tensor:
    """Return what parsing calls background, ``[N, h, w]`` bool, of the size of `small` images."""
    images = small(images)
    return mask(_like(parser(images), images), "background")


def measure_object_removal(
    generator: Generator, factors: Factors, plan: Plan, parser: FaceParser | None
) -> Removal | None:
    """Measure what removing the whole object does, on samples that no fit saw.

    It is None where no background was found.
    """
    if not factors.has_background:
        return None
    rows: dict[str, list[Tensor]] = defaultdict(list)
    for latents in scored_batches(generator, plan):
        state = generator.head(latents, factors.layer.name)
        before = small(generator.tail(state, factors.layer.name))
        x = remove(factors, state.x)
        after = small(generator.tail(state.with_features(x), factors.layer.name))
        where = on_canvas(object_map(factors, state.x), factors.layer)
        inside, outside = change(before, after, enlarge(where, before.shape[2:]).cpu())
        rows["inside"].append(inside)
        rows["outside"].append(outside)
        if parser is not None:
            parsed = parser(before), parser(after)
            rows["area"].append(torch.stack([share(maps, *CLASSES[1:]) for maps in parsed], 1))
            person = ~mask(_like(parsed[0], before), "background").to(before.device)
            rows["seam"].append(seam(after, person))
            rows["damage"].append(damage(before, after, away_from(person, SEAM)))
    figures = {name: torch.cat(values) for name, values in rows.items()}
    if "area" in figures:
        figures["gone"] = area_gone(*figures["area"].T)
    return Removal(
        inside=estimate(figures["inside"]),
        outside=estimate(figures["outside"]),
        gone=summary(figures.get("gone")),
        seam=summary(figures.get("seam")),
        damage=summary(figures.get("damage")),
    )


def summary(values: Tensor | None) -> Estimate | None:
    """Return the mean of the samples that have a value, with its interval; None without any."""
    return None if values is None or not values.isfinite().any() else estimate(values)


def scored_batches(generator: Generator, plan: Plan) -> list[Latents]:
    """Return the samples that figures are measured on, in batches."""
    seeds = evaluation_seeds(plan.scored)
    return [
        generator.sample(seeds[start : start + BATCH], truncation=generator.usual_truncation)
        for start in range(0, plan.scored, BATCH)
    ]


def _like(parsed: Tensor, images: Tensor) -> Tensor:
    """Return class maps ``[N, H, W]`` at the size of the images, ``[N, h, w]``."""
    return F.interpolate(parsed[:, None], images.shape[2:], mode="nearest")[:, 0]
