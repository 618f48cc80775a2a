"""The best chance for every method: which of its edits serves which purpose, on other seeds.

A method lists tens to hundreds of edits and none has a name. First all are screened by how local a
small step is; then the most local ones of each region are rendered at the strength of the
comparison, in both directions. Of those that do what is wanted the most local one is chosen; where
none does, the one that comes nearest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from panda.evaluation.edits import Wanted, mean
from panda.evaluation.faces import Faces, FaceSampler
from panda.generators.contract import Generator
from panda.methods.changes import Change, LatentChange, PartChange
from panda.metrics.matching import match
from panda.metrics.roir import small
from panda.progress import bar

PIXELS = 64
"""Latent changes are screened on the features of the first layer of at least this height."""

OVERLAP = 0.3
"""Parts are looked at whose mask lies in a region by at least so much of the best part's share."""


@dataclass(frozen=True)
class ChosenEdit:
    """One edit for one purpose: its name and change, the strength to start from, with its sign.

    ``roir`` and ``effect`` (see `Wanted.effect`) are means over the selection's faces.
    """

    name: str
    change: Change
    strength: float
    roir: float
    effect: float


def screen(studio: FaceSampler, change: Change, faces: Faces) -> dict[str, float]:
    """How local a step of one is, for each region: the change outside over that inside."""
    generator = studio.generator
    if isinstance(change, PartChange):
        shares = _shares(change, faces)
        best = {name: max(share, 1e-9) for name, share in shares.items()}
        if max(best.values()) <= 1e-6:
            return {}
        after = small(
            change.start(generator, faces.latents)(torch.full((len(faces),), 4.0)), studio.size
        )
        square = (after - faces.before).square().sum(1)
    else:
        assert isinstance(change, LatentChange)
        layer = _screen_layer(generator)
        before = generator.head(faces.latents, layer).x
        moved = change.moved(generator, faces.latents, torch.ones(len(faces)))
        square = (generator.head(moved, layer).x - before).square().sum(1)
    found = {}
    for name, region in faces.regions.items():
        where = F.interpolate(region.float()[:, None], square.shape[1:], mode="area")[:, 0]
        inside, outside = (square * where).sum((1, 2)), (square * (1 - where)).sum((1, 2))
        ratio = (outside / inside.clamp_min(1e-20)).sqrt()
        found[name] = float(ratio.mean()) if bool((inside > 0).all()) else float("inf")
    return found


def _screen_layer(generator: Generator) -> str:
    layers = list(generator.layers.values())
    return next((layer.name for layer in layers if layer.height >= PIXELS), layers[-1].name)


def _shares(change: PartChange, faces: Faces) -> dict[str, float]:
    """How much of the edit's mask lies in each region."""
    mask = change.factors.masks[list(change.edit.parts)].sum(0)[None, None]
    total = {}
    for name, region in faces.regions.items():
        often = region.float().mean(0)[None, None].to(mask.device)
        where = F.interpolate(often, mask.shape[2:], mode="area")
        total[name] = float((mask * where).sum() / mask.sum())
    return total


def worth_screening(changes: Mapping[str, Change], faces: Faces) -> dict[str, Change]:
    """All changes, but of parts only those that lie in a region about as much as any part does."""
    shares = {
        name: _shares(change, faces)
        for name, change in changes.items()
        if isinstance(change, PartChange)
    }
    kept = {}
    for name, change in changes.items():
        mine = shares.get(name, {})
        best = {r: max(s[r] for s in shares.values()) for r in mine}
        if not mine or any(share >= OVERLAP * best[r] for r, share in mine.items()):
            kept[name] = change
    return kept


def choose(
    studio: FaceSampler,
    changes: Mapping[str, Change],
    wanted: Mapping[str, Wanted],
    faces: Faces,
    target: float,
    shortlist: int = 6,
) -> dict[str, ChosenEdit]:
    """The best edit for each purpose; see the module. Purposes without any are left out."""
    kept = worth_screening(changes, faces)
    first = faces.take(torch.tensor([0]))
    local: dict[str, dict[str, float]] = {}
    for name in bar(kept, desc="screen", unit="edit"):
        local[name] = screen(studio, kept[name], first)
    found: dict[str, ChosenEdit] = {}
    tried: dict[tuple[str, str, int], EditTrial | None] = {}
    for purpose, want in wanted.items():
        ranked = sorted(local, key=lambda name: local[name].get(want.region, float("inf")))
        choices = []
        for name in bar(ranked[:shortlist], desc=f"choose {purpose}", unit="edit"):
            for sign in (1, -1):
                key = (want.region, name, sign)
                if key not in tried:
                    tried[key] = _try(studio, kept[name], faces, want.region, target, sign)
                trial = tried[key]
                if trial is not None:
                    choices.append(trial.choice(name, kept[name], want, faces))
        if choices:
            found[purpose] = min(choices, key=_worth)
    return found


@dataclass(frozen=True)
class EditTrial:
    """What one edit of one sign does to the selection's faces at the target's strength."""

    strength: float
    roir: float
    shapes: Mapping[str, Tensor]

    def choice(self, name: str, change: Change, want: Wanted, faces: Faces) -> ChosenEdit:
        """This trial for a purpose; without shapes every edit does what is wanted."""
        effect = 1.0
        if self.shapes:
            effect = mean(want.effect(faces.shapes[want.shape], self.shapes[want.shape]))
        return ChosenEdit(name, change, self.strength, self.roir, effect)


def _try(
    studio: FaceSampler, change: Change, faces: Faces, region: str, target: float, sign: int
) -> EditTrial | None:
    """One edit at the target's strength; None where it does not get there on any face."""
    render = change.start(studio.generator, faces.latents)
    found = match(render, faces.before, faces.regions[region], target, start=4.0 * sign, steps=4)
    if not bool(found.reached.any()):
        close = (found.change.strength / target - 1).abs() < 0.25
        if not bool(close.any()):
            return None
    strength = float(found.strengths.median())
    return EditTrial(strength, float(found.change.roir.mean()), studio.shapes(found.images))


def _worth(choice: ChosenEdit) -> tuple[bool, float]:
    """First those that do what is wanted, by ROIR; then the others by how near they come."""
    enough = choice.effect >= 1
    return not enough, choice.roir if enough else -choice.effect


def brightness(before: Tensor) -> Callable[[Tensor], Tensor]:
    """A control: the whole image becomes brighter."""
    return lambda strengths: before + strengths.to(before)[:, None, None, None]
