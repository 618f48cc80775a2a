"""Edits at equal effect: the strength at which each image reaches what the edit is for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from panda.metrics.roir import small

TOLERANCE = 0.1
"""Of an effect of one: less than this below it counts as reached, and more above it as overshoot
that a further step may take back."""

AIM, LEAST_GROWTH = 1.05, 1.1
"""The effect that a strength that was too low grows towards, and its least factor."""

FAR = 0.75
"""A strength that is to be this share of the limit or more is the limit: most edits that are so far
from the effect do not reach it at all."""

SLOPES = 0.5, 2.0
"""The least and the greatest power of the strength that an effect is taken to grow with."""

INNER = 0.1
"""How near to an end of what encloses the wanted strength a step may come, as a share of it."""

NARROW = 0.05
"""What encloses the wanted strength and is no wider, relative to it, is not searched further: the
effect jumps there."""


@dataclass(frozen=True, eq=False)
class Reached:
    """Edits of N images at the strengths whose effect came nearest to one.

    Attributes:
        images: Small edited images ``[N, 3, h, w]``.
        strengths: ``[N]`` float64.
        effects: ``[N]`` float64; NaN where no image could be measured.
    """

    images: Tensor
    strengths: Tensor
    effects: Tensor

    @property
    def reached(self) -> Tensor:
        """Which images have the effect, ``[N]`` bool."""
        return self.effects >= 1 - TOLERANCE


def reach(
    render: Callable[[Tensor], Tensor],
    effect: Callable[[Tensor], Tensor],
    *,
    start: float,
    limit: float,
    before: Tensor,
    steps: int = 7,
) -> Reached:
    """Find for each image the strength at which its effect is one.

    Strengths grow until the effect exceeds one, by the power of the strength that the last two
    tries follow; then the interval is narrowed by false position. An image that
    cannot be measured was edited too much. Of an effect that is not reached at the limit, or jumps
    over what is wanted, the nearest try is returned, and of several the weakest.

    Args:
        render: Makes images ``[N, channels, H, W]`` of strengths ``[N]``.
        effect: Measures small images ``[N, 3, h, w]``, ``[N]`` float64.
        start: The first strength; all have its sign.
        limit: The greatest magnitude of a strength.
        before: The small unedited images ``[N, 3, h, w]``.
        steps: The most calls of ``render``.
    """
    sign = 1.0 if start >= 0 else -1.0
    tries = torch.full((len(before),), min(abs(start), limit), dtype=torch.float64)
    low, low_effect = torch.zeros_like(tries), torch.zeros_like(tries)
    high, high_effect = (torch.full_like(tries, torch.inf) for _ in range(2))
    last, last_effect = torch.zeros_like(tries), torch.zeros_like(tries)
    best: Reached | None = None
    for _ in range(steps):
        images = small(render((sign * tries).float()), max(before.shape[-2:]))
        trial = Reached(images, sign * tries, effect(images))
        best = trial if best is None else _nearer(best, trial)
        enough = ~(trial.effects < 1)  # NaN too: the measure has gone
        now = trial.effects.nan_to_num(nan=3.0)
        high, high_effect = torch.where(enough, tries, high), torch.where(enough, now, high_effect)
        low, low_effect = torch.where(enough, low, tries), torch.where(enough, low_effect, now)
        jumps = low >= (1 - NARROW) * high
        done = ((best.effects - 1).abs() <= TOLERANCE) | (low >= limit) | jumps
        if bool(done.all()):
            break
        slope = (now / last_effect).log() / (tries / last).log()
        slope = torch.where(slope.isfinite(), slope, 1.0).clamp(*SLOPES)
        factor = (AIM / now.clamp_min(1e-9)).pow(1 / slope).clamp_min(LEAST_GROWTH)
        beyond = torch.where(tries * factor < FAR * limit, tries * factor, limit)
        step = ((1 - low_effect) / (high_effect - low_effect)).clamp(INNER, 1 - INNER)
        between = low + step.nan_to_num(nan=0.5) * (high - low)
        last, last_effect = tries, now
        tries = torch.where(high.isinf(), beyond, between)
    assert best is not None
    return best


def _nearer(best: Reached, trial: Reached) -> Reached:
    """Return for each image what reaches the effect, or else is nearer to it, or else is weaker."""

    def distance(of: Reached) -> Tensor:
        away = (of.effects - 1).abs().nan_to_num(nan=torch.inf)
        return torch.where(of.reached, away, 1e6 + away)

    near, nearest = distance(trial), distance(best)
    weaker = trial.strengths.abs() < best.strengths.abs()
    take = (near < nearest) | ((near == nearest) & weaker)
    rows = take.view(-1, 1, 1, 1).to(best.images.device)
    return Reached(
        torch.where(rows, trial.images, best.images),
        torch.where(take, trial.strengths, best.strengths),
        torch.where(take, trial.effects, best.effects),
    )
