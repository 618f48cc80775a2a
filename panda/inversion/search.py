"""`invert`: find latents whose images are given pictures.

As the projection of Karras et al. (arXiv 1912.04958, appendix D), with three differences: w is
searched along its principal axes, in standard deviations, by which it is also pulled back to the
samples (as in Zhu et al., arXiv 2012.09036); the start is the nearest of some samples; and after w,
each slot gets a w of its own (w+).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

import panda
from panda.errors import PandaError
from panda.generators.contract import Generator, Latents
from panda.inversion.coordinates import Coordinates, check_space, measure
from panda.inversion.inversion import Inversion
from panda.inversion.objective import Error, Objective, comparable
from panda.metrics.checks import check_images
from panda.metrics.lpips import LPIPS
from panda.progress import bar

STEPS = 60
CANDIDATES = 16
"""Samples of which the one nearest to a picture is the start."""

RATE = 0.2
"""The longest step of Adam, in standard deviations of the samples."""

RAMP = 0.05
"""The share of a stage in which steps grow to that length, and the share of it they end with."""

SHARE = 0.2
"""Of the steps in w+, so many search one w for all slots first."""

PULL = 3e-3
"""The weight of the distance from the samples beside the error."""

Progress = Callable[[int, int, float], object]
"""Called after each step with the steps done, those of all pictures, and LPIPS at that step."""


def invert(
    generator: Generator,
    pictures: Tensor,
    *,
    space: str | None = None,
    steps: int = STEPS,
    label: int | None = None,
    seed: int = 0,
    names: Sequence[str] = (),
    lpips: LPIPS | None = None,
    progress: Progress | None = None,
) -> Inversion:
    """Find latents for pictures ``[N, 3, S, S]`` in [-1, 1], each by itself.

    ``space`` is ``"w"``, ``"w+"`` (first w, then one for each slot) or ``"z"``; None is w+ where
    the generator has it, else z. Faces must lie in the picture as they do in the generator's own
    (`panda.inversion.alignment`). ``label`` is the class of a conditional generator; without one
    the start decides. Starts are drawn from ``seed`` on. ``names`` are kept with the result.
    What ``progress`` raises ends the search. On a CPU the same call gives the same latents, and a
    picture's do not depend on the others. Raises `PandaError` for a generator whose latents cannot
    be moved, for another space, bad pictures, and where LPIPS cannot be had.
    """
    space = check_space(generator, space)
    _check(pictures, names, steps)
    lpips = lpips or LPIPS(generator.device)
    resized = _resize(pictures.to(generator.device), generator.resolution)
    started = time.perf_counter()
    candidates = _candidates(generator, range(seed, seed + CANDIDATES), label)
    coordinates = measure(generator, candidates.latents)
    found: list[Found] = []
    with bar(total=len(pictures) * steps, desc="invert", unit="step") as shown:
        watch = Watch(shown, len(pictures) * steps, progress)
        for row in range(len(resized)):
            objective = Objective(lpips, resized[row : row + 1])
            start = candidates.nearest(objective)
            found.append(_search(generator, start, coordinates, objective, space, steps, watch))
    config = {
        "space": space,
        "steps": steps,
        "label": label,
        "seed": seed,
        "pictures": list(names),
        "lpips": [round(float(one.error.lpips), 5) for one in found],
        "pixels": [round(float(one.error.pixels.sqrt()), 5) for one in found],
        "trace": [one.trace for one in found],
        "search": {"rate": RATE, "share": SHARE, "pull": PULL, "candidates": CANDIDATES},
        "seconds": round(time.perf_counter() - started, 3),
        "versions": {"panda": panda.__version__, "torch": torch.__version__},
    }
    latents = _join([one.latents for one in found])
    images = torch.cat([one.image for one in found])
    return Inversion.of(generator.name, latents, resized, images, config)


@dataclass(frozen=True, eq=False)
class Found:
    """What the search for one picture came to; the trace is of LPIPS before each step."""

    latents: Latents
    image: Tensor
    error: Error
    trace: list[float]


@dataclass
class Watch:
    """Tells a bar and a listener of each step."""

    bar: Any
    total: int
    listener: Progress | None
    done: int = 0

    def step(self, lpips: float) -> None:
        """One step is done; it began at this LPIPS."""
        self.done += 1
        self.bar.set_postfix(LPIPS=f"{lpips:.3f}", refresh=False)
        self.bar.update()
        if self.listener is not None:
            self.listener(self.done, self.total, lpips)


@dataclass(frozen=True, eq=False)
class Candidates:
    """Samples, and their images at the size that is compared."""

    latents: Latents
    images: Tensor

    def nearest(self, objective: Objective) -> Latents:
        """The sample whose image has the least error."""
        with torch.no_grad():
            row = int(objective(self.images).total.argmin())
        return self.latents[row : row + 1]


def _candidates(generator: Generator, seeds: Sequence[int], label: int | None) -> Candidates:
    with torch.no_grad():
        latents = generator.sample(seeds, truncation=generator.usual_truncation, label=label)
        rows = bar(range(len(latents)), desc="start", unit="img")
        images = [comparable(generator.forward(latents[row : row + 1])) for row in rows]
    return Candidates(latents, torch.cat(images))


def _search(
    generator: Generator,
    start: Latents,
    coordinates: Coordinates,
    objective: Objective,
    space: str,
    steps: int,
    watch: Watch,
) -> Found:
    """Of all points on the way, the start among them, the one with the least error."""

    def found(x: Tensor) -> Found:
        latents = coordinates.move(start, x.detach())
        with torch.no_grad():
            image = generator.forward(latents)
            return Found(latents, image.float().cpu(), objective(image), trace)

    x, trace = coordinates.of(start), []
    best, least = x, math.inf
    first = round(SHARE * steps) if space == "w+" else steps
    for count, wide in ((first, False), (steps - first, True)):
        if not count:
            continue
        x = (coordinates.widen(x) if wide else x).detach().clone().requires_grad_()
        adam = torch.optim.Adam([x], betas=(0.9, 0.99))
        for step in range(count):
            adam.param_groups[0]["lr"] = RATE * _ramp(step, count)
            with torch.enable_grad():
                error = objective(generator.forward(coordinates.move(start, x)))
                loss = error.total.sum() + PULL * coordinates.pull(x)
                adam.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
            if float(error.total.detach()) < least:
                best, least = x.detach().clone(), float(error.total.detach())
            adam.step()
            if not bool(x.isfinite().all()):
                raise PandaError(f"the search for latents of {generator.name} came to NaN")
            trace.append(round(float(error.lpips.detach()), 5))
            watch.step(trace[-1])
    last = found(x)
    return last if float(last.error.total) <= least else found(best)


def _ramp(step: int, count: int) -> float:
    """The length of a step: a short linear rise, then half a cosine down."""
    rise = (step + 1) / (RAMP * count + 1)
    return min(1.0, rise) * (RAMP + (1 - RAMP) * (1 + math.cos(math.pi * step / count)) / 2)


def _resize(pictures: Tensor, size: int) -> Tensor:
    if pictures.shape[-1] == size:
        return pictures
    mode = "area" if size < pictures.shape[-1] else "bicubic"
    return F.interpolate(pictures, (size, size), mode=mode).clamp(-1, 1)


def _join(found: Sequence[Latents]) -> Latents:
    tensors = {
        name: torch.cat([latents.tensors[name] for latents in found]) for name in found[0].tensors
    }
    return Latents(tuple(seed for latents in found for seed in latents.seeds), tensors)


def _check(pictures: Tensor, names: Sequence[str], steps: int) -> None:
    check_images(pictures)
    if not len(pictures) or pictures.shape[2] != pictures.shape[3]:
        raise PandaError(f"pictures of shape {list(pictures.shape)}, expected [N, 3, S, S]")
    if names and len(names) != len(pictures):
        raise PandaError(f"{len(names)} names for {len(pictures)} pictures")
    if steps < 1:
        raise PandaError(f"{steps} steps, expected at least one")
