"""Edits at equal strength: the same root mean square change inside the region, image by image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from panda.metrics.roir import RegionChange, measure, small

TOLERANCE = 0.03
"""Relative to the strength that is wanted."""

GROWTH = 8.0
"""How much a strength may grow in one step: far from the start the change is not linear at all."""


@dataclass(frozen=True)
class Matched:
    """Edits at the strengths ``[N]`` that came nearest to the one wanted.

    ``images`` are small ones ``[N, 3, S, S]``; ``reached`` says which are within `TOLERANCE`.
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

    ``render`` makes images of strengths ``[N]``; ``before`` are the small unedited ones. ``start``
    is where the search begins, and its sign stays. The logarithm of the change is nearly linear in
    that of the strength, so a secant on both gets there in a few steps; an edit that saturates
    below the target keeps its nearest try.
    """
    tries = torch.as_tensor(start, dtype=torch.float64).expand(len(before)).clone()
    sign, best = tries.sign(), None
    slope = torch.ones_like(tries)
    last: tuple[Tensor, Tensor] | None = None
    for _ in range(steps):
        images = small(render(tries.float()), before.shape[-1])
        found = Matched(images, tries.clone(), measure(before, images, region), torch.empty(0))
        best = found if best is None else _better(best, found, target)
        now = found.change.strength.clamp_min(1e-9).log()
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


def _distance(found: Matched, target: float) -> Tensor:
    return (found.change.strength / target - 1).abs()


def _better(one: Matched, other: Matched, target: float) -> Matched:
    """Row by row whichever is nearer to the target."""
    take = _distance(other, target) < _distance(one, target)

    def choose(a: Tensor, b: Tensor) -> Tensor:
        return torch.where(take.view(-1, *[1] * (a.ndim - 1)).to(a.device), b, a)

    change = RegionChange(
        choose(one.change.inside, other.change.inside),
        choose(one.change.outside, other.change.outside),
        one.change.count,
    )
    return Matched(
        choose(one.images, other.images),
        choose(one.strengths, other.strengths),
        change,
        one.reached,
    )
