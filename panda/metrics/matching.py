"""Edits at equal strength: the same root mean square change inside the region, image by image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from panda.metrics.roir import RegionChange, measure, small

TOLERANCE = 0.03
"""Of the change inside the region, relative to the target."""

GROWTH = 8.0
"""The greatest factor of a strength in one step: the change is linear near the start only."""


@dataclass(frozen=True, eq=False)
class Matched:
    """Edits of N images at the strengths whose change came nearest to the target.

    Attributes:
        images: Small edited images ``[N, 3, h, w]``.
        strengths: ``[N]`` float64.
        change: What they change.
        reached: ``[N]`` bool, whether the change is within `TOLERANCE` of the target.
    """

    images: Tensor
    strengths: Tensor
    change: RegionChange
    reached: Tensor


def match(
    render: Callable[[Tensor], Tensor],
    before: Tensor,
    region: Tensor,
    target: float,
    *,
    start: float | Tensor,
    steps: int = 6,
) -> Matched:
    """Find for each image the strength at which the change inside its region is ``target``.

    The logarithm of the change is nearly linear in that of the strength, so the secant method on
    both converges in a few steps; of an edit that saturates below the target the nearest try is
    returned.

    Args:
        render: Makes images ``[N, channels, H, W]`` of strengths ``[N]``.
        before: Small unedited images ``[N, 3, h, w]``.
        region: ``[N, h, w]`` bool.
        target: The root mean square change inside the region, in units of [-1, 1] images.
        start: Where the search begins; the strengths keep its sign.
        steps: The most calls of ``render``.
    """
    tries = torch.as_tensor(start, dtype=torch.float64).expand(len(before)).clone()
    sign, best = tries.sign(), None
    slope = torch.ones_like(tries)
    last: tuple[Tensor, Tensor] | None = None
    for _ in range(steps):
        images = small(render(tries.float()), max(before.shape[-2:]))
        trial = Matched(images, tries.clone(), measure(before, images, region), torch.empty(0))
        best = trial if best is None else _better(best, trial, target)
        now = trial.change.strength.clamp_min(1e-9).log()
        if bool((_distance(best, target) <= TOLERANCE).all()):
            break
        level = tries.abs().log()
        if last is not None:
            run = level - last[0]
            rise = (now - last[1]) / torch.where(run == 0, 1.0, run)
            slope = torch.where((run.abs() > 1e-6) & (rise > 0.2), rise.clamp_max(3), slope)
        last = level, now
        step = ((torch.tensor(target).log() - now) / slope).exp().clamp(1 / GROWTH, GROWTH)
        tries = sign * (tries.abs() * step).clamp(1e-9, 1e9)
    assert best is not None
    return Matched(best.images, best.strengths, best.change, _distance(best, target) <= TOLERANCE)


def _distance(trial: Matched, target: float) -> Tensor:
    return (trial.change.strength / target - 1).abs()


def _better(best: Matched, trial: Matched, target: float) -> Matched:
    """Return for each image whichever of the two is nearer to the target."""
    take = _distance(trial, target) < _distance(best, target)

    def choose(a: Tensor, b: Tensor) -> Tensor:
        return torch.where(take.view(-1, *[1] * (a.ndim - 1)).to(a.device), b, a)

    change = RegionChange(
        choose(best.change.inside, trial.change.inside),
        choose(best.change.outside, trial.change.outside),
        best.change.count,
        best.change.around,
    )
    return Matched(
        choose(best.images, trial.images),
        choose(best.strengths, trial.strengths),
        change,
        best.reached,
    )
