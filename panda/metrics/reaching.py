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

GROWTH = 1.3, 3.0
"""The least and the greatest factor of a strength that was too low."""

INNER = 0.15
"""How near to an end of what encloses the wanted strength a step may come, as a share of it."""


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

    Strengths grow until the effect exceeds one, then the interval is narrowed by false position.
    An image that cannot be measured was edited too much. Of an effect that is never reached the
    nearest try is returned.

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
    high = torch.full_like(tries, torch.inf)
    high_effect = high.clone()
    best: Reached | None = None
    for _ in range(steps):
        images = small(render((sign * tries).float()), max(before.shape[-2:]))
        trial = Reached(images, sign * tries, effect(images))
        best = trial if best is None else _nearer(best, trial)
        enough = ~(trial.effects < 1)  # NaN too: the measure has gone
        high_effect = torch.where(enough, trial.effects.nan_to_num(nan=3.0), high_effect)
        high = torch.where(enough, tries, high)
        low_effect = torch.where(enough, low_effect, trial.effects)
        low = torch.where(enough, low, tries)
        done = ((best.effects - 1).abs() <= TOLERANCE) | (low >= limit)
        if bool(done.all()):
            break
        step = ((1 - low_effect) / (high_effect - low_effect)).clamp(INNER, 1 - INNER)
        between = low + step.nan_to_num(nan=0.5) * (high - low)
        beyond = tries * (1 / trial.effects.clamp_min(1e-9)).clamp(*GROWTH)
        tries = torch.where(high.isinf(), beyond, between).clamp_max(limit)
    assert best is not None
    return best


def _nearer(best: Reached, trial: Reached) -> Reached:
    """Return for each image whichever of the two reaches the effect, or else is nearer to it."""

    def distance(of: Reached) -> Tensor:
        away = (of.effects - 1).abs().nan_to_num(nan=torch.inf)
        return torch.where(of.reached, away, 1e6 + away)

    take = distance(trial) < distance(best)
    rows = take.view(-1, 1, 1, 1).to(best.images.device)
    return Reached(
        torch.where(rows, trial.images, best.images),
        torch.where(take, trial.strengths, best.strengths),
        torch.where(take, trial.effects, best.effects),
    )
