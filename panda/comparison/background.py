"""Background factors: which layers carry them, how well they localize, what removal leaves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from panda.comparison.plan import Plan, background_layers
from panda.comparison.results import Depth, Removal
from panda.editing.localize import concept_maps, enlarge
from panda.editing.remove import object_map, remove
from panda.errors import PandaError
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
from panda.factorization.thresholds import otsu_each
from panda.factorization.verdict import MOST, Verdict, judge
from panda.generators.contract import Generator, Latents, Layer, on_canvas
from panda.generators.seeds import evaluation_seeds, selection_seeds
from panda.metrics.changes import change
from panda.metrics.parsing import CLASSES, FaceParser, mask, share
from panda.metrics.removal import SEAM, area_gone, away_from, best_constant, damage, iou, seam
from panda.metrics.roir import SIZE, small
from panda.metrics.summary import MeanStd, mean_and_interval, mean_and_std

BATCH = 8


@dataclass(eq=False)
class _DepthSums:
    """Sums over features of scored samples, of which a layer's share, contrast and IoU are made."""

    layer: Layer
    background: Background
    verdict: Verdict | None
    count: int = 0
    first: Tensor | float = 0.0
    square: float = 0.0
    along: list[Tensor] = field(default_factory=list)
    contrast: list[Tensor] = field(default_factory=list)
    iou: list[Tensor] = field(default_factory=list)
    gain: list[Tensor] = field(default_factory=list)

    def add(self, x: Tensor, truth: Tensor | None, constant: Tensor | None) -> None:
        """Add features ``[N, C, H, W]``.

        Args:
            x: The features.
            truth: The true background, ``[N, SIZE, SIZE]`` bool.
            constant: The mask ``[SIZE, SIZE]`` bool to compare with.
        """
        inside = on_canvas(x.flatten(0, 1), self.layer).reshape(*x.shape[:2], -1)
        self.count += len(x) * inside.shape[2]
        self.first = self.first + inside.double().sum((0, 2))
        self.square += float(inside.double().square().sum())
        appearance = self.background.appearance
        along = appearance.to(x) / appearance.norm().clamp_min(1e-30) @ inside
        self.along.append(along.flatten().double())
        maps = concept_maps(self.layer, x, self.background.detector)
        border = on_canvas(border_mask(self.layer)[None], self.layer)[0].bool().to(x.device)
        apart = maps[:, border].mean(1) - maps[:, ~border].mean(1)
        self.contrast.append(apart / maps.flatten(1).std(1).clamp_min(1e-12))
        if truth is not None and constant is not None:
            large = enlarge(maps, SIZE)
            self.iou.append(iou(large >= otsu_each(large), truth))
            self.gain.append(self.iou[-1] - iou(constant.expand_as(truth), truth))

    def depth(self) -> Depth:
        """Return the figures; raise `PandaError` where the features do not vary."""
        mean = self.first / self.count
        variance = self.square / self.count - float(mean.square().sum())  # type: ignore[union-attr]
        along = float(torch.cat(self.along).var(correction=0))
        contrast = float(torch.cat(self.contrast).mean())
        if not variance > 0:
            raise PandaError(
                f"the features of {self.layer.name} do not vary, so they have no background"
            )
        share = along / variance
        verdict = self.verdict
        return Depth(
            self.layer.name,
            self.layer.side,
            share,
            contrast,
            summary(self.iou),
            mean_and_interval(torch.cat(self.gain)) if self.gain else None,
            verdict.agreement if verdict else None,
            verdict.covered if verdict else None,
        )


def measure_depths(
    generator: Generator, plan: Plan, parser: FaceParser | None
) -> tuple[Depth, ...]:
    """Find background at one layer of each size, and measure it on samples that no fit saw.

    Raises:
        PandaError: Where the features of a layer do not vary.
    """
    sums = []
    for layer in background_layers(generator, plan):
        features = Features(generator, layer, range(min(MOST, plan.samples)))
        size = layer.height, layer.width
        maps = [pooled(sample.view(-1, *size), layer) for batch in features for sample in batch]
        x = torch.stack(maps)
        background = find_background(x[:SAMPLES])
        place = look_mask(x.shape[2], x.shape[3])
        verdict = judge(x - x.mean((0, 2, 3), keepdim=True), None, background, place)
        sums.append(_DepthSums(layer, background, verdict))
    constant = None if parser is None else _constant_mask(generator, plan, parser)
    for latents in scored_batches(generator, plan):
        truth = None
        if parser is not None:
            parsed = parser(small(generator.forward(latents)))
            truth = mask(_at_size(parsed), "background")
        for layer_sums in sums:
            layer_sums.add(generator.head(latents, layer_sums.layer.name).x, truth, constant)
    return tuple(layer_sums.depth() for layer_sums in sums)


def _constant_mask(generator: Generator, plan: Plan, parser: FaceParser) -> Tensor:
    """Return the mask ``[SIZE, SIZE]`` bool that overlaps most with background of other samples."""
    seeds = selection_seeds(plan.selected)
    latents = generator.sample(seeds, truncation=generator.usual_truncation)
    parsed = [parser(small(generator.forward(sample))) for sample in latents]
    truth = mask(_at_size(torch.cat(parsed)), "background")
    return best_constant(truth)


def measure_object_removal(
    generator: Generator, factors: Factors, plan: Plan, parser: FaceParser | None
) -> Removal | None:
    """Measure what removing the whole object does, on samples that no fit saw.

    It is None where no background was found.
    """
    if not factors.has_background:
        return None
    inside, outside, areas, seams, damages = [], [], [], [], []
    for latents in scored_batches(generator, plan):
        state = generator.head(latents, factors.layer.name)
        before = small(generator.tail(state, factors.layer.name))
        x = remove(factors, state.x)
        after = small(generator.tail(state.with_features(x), factors.layer.name))
        where = on_canvas(object_map(factors, state.x), factors.layer)
        changed = change(before, after, enlarge(where, SIZE).cpu())
        inside.append(changed[0])
        outside.append(changed[1])
        if parser is not None:
            parsed = parser(before), parser(after)
            areas.append(torch.stack([share(maps, *CLASSES[1:]) for maps in parsed]))
            person = ~mask(_at_size(parsed[0]), "background").to(before.device)
            seams.append(seam(after, person))
            damages.append(damage(before, after, away_from(person, SEAM)))
    changed_inside, changed_outside = (float(torch.cat(x).mean()) for x in (inside, outside))
    gone = summary([area_gone(*torch.cat(areas, 1))]) if areas else None
    return Removal(changed_inside, changed_outside, gone, summary(seams), summary(damages))


def summary(values: Sequence[Tensor]) -> MeanStd | None:
    """Return mean and standard deviation over the samples that have a value; None without any."""
    pair = mean_and_std(torch.cat(list(values))) if values else (math.nan, 0.0)
    return None if math.isnan(pair[0]) else pair


def scored_batches(generator: Generator, plan: Plan) -> list[Latents]:
    """Return the samples that figures are measured on, in batches."""
    seeds = evaluation_seeds(plan.scored)
    return [
        generator.sample(seeds[start : start + BATCH], truncation=generator.usual_truncation)
        for start in range(0, plan.scored, BATCH)
    ]


def _at_size(parsed: Tensor) -> Tensor:
    """Return class maps ``[N, H, W]`` at the size at which changes are measured."""
    return F.interpolate(parsed[:, None], (SIZE, SIZE), mode="nearest")[:, 0]
