"""The best chance for every method: which of its edits reaches which goal, on other seeds.

A method lists tens to hundreds of edits and none has a name. First all are screened by how local a
small step is; then the most local ones of each region are rendered at the strength of the
comparison, in both directions. Of those that reach the goal the most local one is chosen; where
none does, the one that comes nearest. Where a method says what its edits are for, only those of the
goal's measure are tried.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from panda.directions.changes import Change, LatentChange
from panda.evaluation.edits import EditGoal
from panda.evaluation.faces import Faces, FaceSampler
from panda.evaluation.localized import Keep
from panda.generators.contract import Generator, on_canvas
from panda.methods.parts import PartChange
from panda.metrics.changes import sums
from panda.metrics.matching import match
from panda.metrics.roir import small
from panda.metrics.summary import mean_and_std
from panda.progress import bar

PIXELS = 64
"""Latent changes are screened on the features of the first layer that has at least this many
positions from top to bottom of the image."""

OVERLAP = 0.3
"""A part is tried where its share in a region is at least this fraction of the best part's."""


@dataclass(frozen=True, eq=False)
class ChosenEdit:
    """The edit of a method that was chosen for a goal.

    Attributes:
        name: What the method calls it.
        change: What it changes.
        strength: Where the search for the strength begins, with its sign.
        score: What was to be small, over the faces that it was chosen on: the mean ROIR, or at
            equal effect the mean change outside the region for each unit of effect.
        effect: The mean of `EditGoal.effect` over the same faces; at equal effect, the share of
            them that reach it.
    """

    name: str
    change: Change
    strength: float
    score: float
    effect: float


def screen(sampler: FaceSampler, change: Change, faces: Faces) -> dict[str, float]:
    """Return how local a small step is, by region: the change outside over that inside.

    Changes of latents are compared in features, those of features in images. A part that lies in no
    region has no value.
    """
    generator = sampler.generator
    if isinstance(change, PartChange) and max(_shares(change, faces).values()) <= 1e-6:
        return {}
    if not isinstance(change, LatentChange):
        render = change.start(generator, faces.latents)
        after = small(render(torch.full((len(faces),), 4.0)), sampler.size)
        square = (after - faces.before).square().sum(1)
    else:
        layer = _screen_layer(generator)
        before = generator.head(faces.latents, layer).x
        moved = change.moved(generator, faces.latents, torch.ones(len(faces)))
        square = (generator.head(moved, layer).x - before).square().sum(1)
        square = on_canvas(square, generator.layer(layer))
    ratios = {}
    for name, region in faces.regions.items():
        where = F.interpolate(region.float()[:, None], square.shape[1:], mode="area")[:, 0]
        inside, outside = sums(square, where)
        ratio = (outside / inside.clamp_min(1e-20)).sqrt()
        ratios[name] = float(ratio.mean()) if bool((inside > 0).all()) else float("inf")
    return ratios


def _screen_layer(generator: Generator) -> str:
    layers = list(generator.layers.values())
    return next((layer.name for layer in layers if layer.side >= PIXELS), layers[-1].name)


def _shares(change: PartChange, faces: Faces) -> dict[str, float]:
    """Return the share of the edit's mask that lies in each region."""
    mask = change.factors.masks[list(change.edit.parts)].sum(0)[None, None]
    shares = {}
    for name, region in faces.regions.items():
        often = region.float().mean(0)[None, None].to(mask.device)
        where = F.interpolate(often, mask.shape[2:], mode="area")
        shares[name] = float((mask * where).sum() / mask.sum().clamp_min(1e-9))
    return shares


def worth_screening(changes: Mapping[str, Change], faces: Faces) -> dict[str, Change]:
    """Return all changes but those of parts that lie in no region about as much as any part."""
    shares = {
        name: _shares(change, faces)
        for name, change in changes.items()
        if isinstance(change, PartChange)
    }
    worthy = {}
    for name, change in changes.items():
        share = shares.get(name, {})
        best = {region: max(other[region] for other in shares.values()) for region in share}
        if not share or any(share[region] >= OVERLAP * best[region] for region in share):
            worthy[name] = change
    return worthy


def choose(
    sampler: FaceSampler,
    changes: Mapping[str, Change],
    goals: Mapping[str, EditGoal],
    faces: Faces,
    strength: float,
    shortlist: int = 6,
    keep: Keep | None = None,
    aims: Mapping[str, str] | None = None,
) -> dict[str, ChosenEdit]:
    """Choose the best edit of a method for each goal, as the module says.

    Args:
        sampler: Whose generator renders the edits.
        changes: All edits of the method, by name.
        goals: What edits are for, by name.
        faces: The samples to choose on.
        strength: The root mean square change inside the region at which edits are compared.
        shortlist: How many edits are rendered for each goal.
        keep: What makes the edits local, after they were screened.
        aims: The measure that an edit was made for, by the edit's name; others are for any.

    Returns:
        The chosen edits by goal, without the goals for which no edit reaches the strength.
    """
    aims = aims or {}
    candidates = worth_screening(changes, faces)
    first = faces.take(torch.tensor([0]))
    locality: dict[str, dict[str, float]] = {}
    for name in bar(candidates, desc="screen", unit="edit"):
        locality[name] = screen(sampler, candidates[name], first)
    chosen: dict[str, ChosenEdit] = {}
    trials: dict[tuple[str, str, int], EditTrial | None] = {}
    for purpose, goal in goals.items():
        fitting = [name for name in locality if aims.get(name) in (None, goal.measure)]
        ranked = sorted(fitting, key=lambda name: locality[name].get(goal.region, math.inf))
        choices = []
        for name in bar(ranked[:shortlist], desc=f"choose {purpose}", unit="edit"):
            change = candidates[name] if keep is None else keep(candidates[name], goal.region)
            for sign in (1, -1):
                key = (goal.region, name, sign)
                if key not in trials:
                    trials[key] = _try(sampler, change, faces, goal.region, strength, sign)
                trial = trials[key]
                if trial is not None:
                    choices.append(trial.choice(name, change, goal, faces))
        if choices:
            chosen[purpose] = min(choices, key=_rank)
    return chosen


@dataclass(frozen=True, eq=False)
class EditTrial:
    """What one edit of one sign does to the faces that edits are chosen on.

    Attributes:
        strength: The median of those at which faces change by as much as is wanted.
        roir: The mean ROIR at these strengths.
        measures: Those ``[N]`` of the edited faces; empty where faces are not parsed.
    """

    strength: float
    roir: float
    measures: Mapping[str, Tensor]

    def choice(self, name: str, change: Change, goal: EditGoal, faces: Faces) -> ChosenEdit:
        """Return this trial as a choice for a goal; without measures every edit reaches it."""
        effect = 1.0
        if self.measures:
            effects = goal.effect(faces.measures[goal.measure], self.measures[goal.measure])
            effect, _ = mean_and_std(effects)
        effect = 0.0 if math.isnan(effect) else effect
        return ChosenEdit(name, change, self.strength, self.roir, effect)


def _try(
    sampler: FaceSampler, change: Change, faces: Faces, region: str, strength: float, sign: int
) -> EditTrial | None:
    """Edit at the wanted strength; None where no face comes near it."""
    render = change.start(sampler.generator, faces.latents)
    edited = match(render, faces.before, faces.regions[region], strength, start=4.0 * sign, steps=4)
    if not bool(edited.reached.any()):
        close = (edited.change.strength / strength - 1).abs() < 0.25
        if not bool(close.any()):
            return None
    median = float(edited.strengths.median())
    return EditTrial(median, float(edited.change.roir.mean()), sampler.measures(edited.images))


def _rank(choice: ChosenEdit) -> tuple[bool, float]:
    """Sort what reaches the goal first, by ROIR; then the others by how near they come."""
    enough = choice.effect >= 1
    return not enough, choice.score if enough else -choice.effect
