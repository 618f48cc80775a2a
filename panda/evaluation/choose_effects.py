"""The best chance for every method at equal effect: the least change outside for what is wanted.

First each edit is rendered in both directions on a few faces, at one root mean square change of the
region that it changes most, and what it does there is measured for all goals at once. Those with
the most effect for their change outside are then brought to an effect of one, face by face. Of
those that reach it on `REACH` of the faces the one with the least change outside is chosen; where
none does, the one that reaches it most often.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from panda.directions.changes import Change, Render
from panda.evaluation.choose import ChosenEdit, worth_screening
from panda.evaluation.edits import EDITS, EditGoal
from panda.evaluation.faces import Faces, FaceSampler
from panda.evaluation.localized import Keep
from panda.metrics.changes import sums
from panda.metrics.reaching import Reached, reach
from panda.metrics.roir import measure
from panda.metrics.summary import mean_and_std
from panda.progress import bar

SCREENED = 2
"""Faces on which every edit is tried."""

STRENGTH = 0.2
"""The root mean square change of the most changed region at which every edit is tried."""

REACH = 0.8
"""The share of faces that an edit has to bring to its effect."""

LIMIT = 4.0
"""The greatest strength, in units of that at which the search begins."""

LEAST = 0.05
"""The least effect in the trial of an edit that is tried further."""


@dataclass(frozen=True, eq=False)
class Screened:
    """What an edit of one sign does to a few faces.

    Attributes:
        name: What the method calls it.
        strength: The median of those that make a change of `STRENGTH`, with the sign.
        measures: The measures of the edited faces by name, ``[N]``.
        square: The mean over colors of the squared change, ``[N, h, w]``.
    """

    name: str
    strength: float
    measures: Mapping[str, Tensor]
    square: Tensor

    def effect(self, goal: EditGoal, faces: Faces) -> float:
        """Return the mean effect; 0 where none can be measured."""
        values = goal.effect(faces.measures[goal.measure], self.measures[goal.measure])
        mean, _ = mean_and_std(values)
        return 0.0 if math.isnan(mean) else mean

    def outside(self, region: Tensor) -> float:
        """Return the root mean square change outside of a region ``[N, h, w]``."""
        _, outside = sums(self.square, region)
        return float((outside / (~region).sum((1, 2))).mean().sqrt())


def _few(faces: Faces) -> Faces:
    return faces.take(torch.arange(min(SCREENED, len(faces))))


def screen(sampler: FaceSampler, changes: Mapping[str, Change], faces: Faces) -> list[Screened]:
    """Try every edit in both directions; those that hardly change a face are left out.

    Args:
        sampler: Whose generator renders the edits.
        changes: All edits of a method, by name.
        faces: The samples to choose on, of which the first `SCREENED` count.
    """
    faces = _few(faces)
    changes = worth_screening(changes, faces)

    def change(images: Tensor) -> Tensor:
        regions = [region for region in faces.regions.values() if region.any((1, 2)).all()]
        found = [measure(faces.before, images, region).strength for region in regions]
        return torch.stack(found).amax(0) / STRENGTH

    trials = []
    for name in bar(changes, desc="screen", unit="edit"):
        render = changes[name].start(sampler.generator, faces.latents)
        start = 4.0
        for sign in (1.0, -1.0):  # the other way it takes about as much
            edited = reach(
                render, change, start=sign * start, limit=1e4, steps=4, before=faces.before
            )
            if bool((edited.effects < 0.5).any()):
                continue
            start = float(edited.strengths.abs().median())
            square = (edited.images - faces.before).square().mean(1)
            median = float(edited.strengths.median())
            trials.append(Screened(name, median, sampler.measures(edited.images), square))
    return trials


def choose(
    sampler: FaceSampler,
    changes: Mapping[str, Change],
    goals: Mapping[str, EditGoal],
    faces: Faces,
    shortlist: int = 6,
    keep: Keep | None = None,
    screened: Sequence[Screened] | None = None,
) -> dict[str, ChosenEdit]:
    """Choose the best edit of a method for each goal, as the module says.

    Args:
        sampler: Whose generator renders the edits.
        changes: All edits of the method, by name.
        goals: What edits are for, by name.
        faces: The samples to choose on.
        shortlist: How many edits are brought to the effect for each goal.
        keep: What makes the edits local. They are screened without it: what they change outside
            does not count then.
        screened: What `screen` returns of these edits; by default they are screened here.

    Returns:
        The chosen edits by goal, without the goals that no edit reaches on any face.
    """
    few = _few(faces)
    screened = screen(sampler, changes, faces) if screened is None else screened
    chosen = {}
    for purpose, goal in goals.items():
        scores = []
        for number, trial in enumerate(screened):
            effect = trial.effect(goal, few)
            if effect > LEAST:
                cost = 1.0 if keep else trial.outside(few.regions[goal.region])
                scores.append((-effect / max(cost, 1e-9), number))
        choices = []
        for _, number in bar(sorted(scores)[:shortlist], desc=f"choose {purpose}", unit="edit"):
            trial = screened[number]
            change = changes[trial.name] if keep is None else keep(changes[trial.name], goal.region)
            start = trial.strength / max(trial.effect(goal, few), 0.25)
            if choice := _try(sampler, trial.name, change, faces, goal, start):
                choices.append(choice)
        if choices:
            chosen[purpose] = min(choices, key=_rank)
    return chosen


def bring(
    sampler: FaceSampler, render: Render, faces: Faces, goal: EditGoal, start: float
) -> Reached:
    """Bring faces to an effect of one; see `reach`."""
    before = faces.measures[goal.measure]
    return reach(
        render,
        lambda images: goal.effect(before, sampler.measure(goal.measure, images)),
        start=start,
        limit=LIMIT * abs(start),
        before=faces.before,
    )


def _try(
    sampler: FaceSampler, name: str, change: Change, faces: Faces, goal: EditGoal, start: float
) -> ChosenEdit | None:
    """Bring each face to the effect by itself, so that none waits for the others.

    None where no face reaches it.
    """
    strengths, costs = [], []
    for row in range(len(faces)):
        face = faces.take(torch.tensor([row]))
        edited = bring(sampler, change.start(sampler.generator, face.latents), face, goal, start)
        if bool(edited.reached[0]):
            spilled = measure(face.before, edited.images, face.regions[goal.region])
            costs.append(float(spilled.spilled / edited.effects))
            strengths.append(float(edited.strengths))
    if not costs:
        return None
    strength = float(torch.tensor(strengths, dtype=torch.float64).median())
    return ChosenEdit(name, change, strength, sum(costs) / len(costs), len(costs) / len(faces))


def pick(
    chosen: Mapping[str, Mapping[str, ChosenEdit]],
) -> dict[str, tuple[str, ChosenEdit]]:
    """Return the best edit of all methods by goal, with the label of its method.

    Args:
        chosen: The chosen edits by label and goal.
    """
    best: dict[str, tuple[str, ChosenEdit]] = {}
    for label, choices in chosen.items():
        for edit, choice in choices.items():
            if edit not in best or _rank(choice) < _rank(best[edit][1]):
                best[edit] = label, choice
    return {edit: best[edit] for edit in EDITS if edit in best}


def _rank(choice: ChosenEdit) -> tuple[bool, float]:
    """Sort what reaches the effect often enough first, by its cost; then the others by reach."""
    enough = choice.effect >= REACH
    return not enough, choice.score if enough else -choice.effect
