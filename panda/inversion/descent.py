"""The search itself: Adam on what is searched, until the image is like the picture."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from panda.errors import PandaError
from panda.inversion.objective import Error, Objective

RAMP = 0.05
"""The share of a stage in which steps grow to their length, and the share of it they end with."""

Progress = Callable[[int, int, float], object]
"""Called after each step with the steps done, those of all pictures, and LPIPS at that step."""


class Searched(Protocol):
    """What is searched: numbers that are about standard normal over samples, and their image."""

    rate: float
    """The longest step of Adam."""

    start: Tensor
    """Where the search begins."""

    def image(self, x: Tensor) -> Tensor:
        """Return the image ``[1, channels, H, W]`` of a point; gradients reach it."""

    def pull(self, x: Tensor) -> Tensor:
        """Return what is added to the error, for a distance from the samples."""


@dataclass(eq=False)
class StepCounter:
    """Shows each step in a bar and reports it to a listener.

    Attributes:
        bar: Of tqdm.
        total: The steps of all pictures.
        listener: See `Progress`.
        done: The steps so far.
    """

    bar: Any
    total: int
    listener: Progress | None
    done: int = 0

    def skip(self, steps: int) -> None:
        """Count steps that need not be done."""
        self.done += steps
        self.bar.update(steps)

    def step(self, lpips: float) -> None:
        """Count a step that began at this LPIPS."""
        self.done += 1
        self.bar.set_postfix(LPIPS=f"{lpips:.3f}", refresh=False)
        self.bar.update()
        if self.listener is not None:
            self.listener(self.done, self.total, lpips)


def descend(
    searched: Searched, objective: Objective, steps: int, counter: StepCounter, trace: list[float]
) -> tuple[Tensor, Tensor, Error]:
    """Return the point with the least error among all on the way, its image and its error.

    Args:
        searched: What is searched, and from where; that is among the points.
        objective: The error.
        steps: At least one.
        counter: Counts each step.
        trace: Gets LPIPS before each step.

    Raises:
        PandaError: Where it comes to NaN.
    """
    x = searched.start.detach().clone().requires_grad_()
    adam = torch.optim.Adam([x], betas=(0.9, 0.99))
    best, least = searched.start, math.inf
    for step in range(steps):
        adam.param_groups[0]["lr"] = searched.rate * _ramp(step, steps)
        with torch.enable_grad():
            error = objective(searched.image(x))
            loss = error.total.sum() + searched.pull(x)
            adam.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
        if float(error.total.detach()) < least:
            best, least = x.detach().clone(), float(error.total.detach())
        adam.step()
        if not bool(x.isfinite().all()):
            raise PandaError("the search came to NaN; does the generator give any at this picture?")
        trace.append(round(float(error.lpips.detach()), 5))
        counter.step(trace[-1])
    last = _looked_at(searched, x.detach(), objective)
    return last if float(last[2].total) <= least else _looked_at(searched, best, objective)


@torch.no_grad()
def _looked_at(searched: Searched, x: Tensor, objective: Objective) -> tuple[Tensor, Tensor, Error]:
    image = searched.image(x)
    return x, image, objective(image)


def _ramp(step: int, count: int) -> float:
    """Return the length of a step: a short linear rise, then half a cosine down."""
    rise = (step + 1) / (RAMP * count + 1)
    return min(1.0, rise) * (RAMP + (1 - RAMP) * (1 + math.cos(math.pi * step / count)) / 2)
