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

from panda import __version__
from panda.errors import PandaError
from panda.generators.contract import Generator, Latents
from panda.generators.labels import Label, as_label
from panda.generators.one_class import whole
from panda.generators.seeds import as_count, as_seeds
from panda.inversion.coordinates import Coordinates, check_space, measure
from panda.inversion.inversion import Inversion
from panda.inversion.objective import Error, Objective, comparable
from panda.inversion.pictures import Photographs, as_pictures
from panda.metrics.lpips import LPIPS
from panda.progress import bar

STEPS = 60
"""Of the search for each picture."""

CANDIDATES = 16
"""Samples of which the one nearest to a picture is the start."""

RATE = 0.2
"""The longest step of Adam, in standard deviations of the samples."""

RAMP = 0.05
"""The share of a stage in which steps grow to that length, and the share of it they end with."""

SHARE = 0.2
"""The share of the steps in w+ that search a single w for all slots first."""

PULL = 3e-3
"""The weight of the distance from the samples beside the error."""

Progress = Callable[[int, int, float], object]
"""Called after each step with the steps done, those of all pictures, and LPIPS at that step."""


def invert(
    generator: Generator,
    photographs: Photographs,
    *,
    align: str = "auto",
    space: str | None = None,
    steps: int = STEPS,
    label: Any = None,
    seed: int = 0,
    names: Sequence[str] = (),
    lpips: LPIPS | None = None,
    progress: Progress | None = None,
) -> Inversion:
    """Find latents for photographs, each by itself.

    On a CPU the same call gives the same latents, and those of a photograph do not depend on the
    others.

    Args:
        generator: Whose latents are searched.
        photographs: One or several. Files, PIL pictures and arrays of bytes ``[H, W, 3]`` are
            aligned as ``align`` says. Floats ``[N, channels, H, W]`` or ``[channels, H, W]`` in
            [-1, 1], of torch or NumPy, have the proportions of the generator's images and are
            aligned already: faces lie as they do in these.
        align: ``"always"``, ``"never"``, or ``"auto"`` for generators of faces alone; see
            `panda.inversion.alignment.to_pictures`.
        space: ``"w"``, ``"w+"`` (first w, then a w for each slot) or ``"z"``; None is w+ where the
            generator has it, else z.
        steps: Of the search, for each photograph.
        label: The class of a conditional generator by number or name, or its text, for all
            photographs; without it the start decides.
        seed: The first seed of the samples that a search may start from.
        names: What photographs are called in the result; files are called by their paths.
        lpips: The distance, where it is loaded already.
        progress: Called after each step; what it raises ends the search.

    Raises:
        PandaError: For a generator whose latents cannot be moved, another space, pictures that
            cannot be read or aligned, and where LPIPS cannot be fetched.
    """
    if not isinstance(generator, Generator):
        raise PandaError(
            f"{generator!r:.60} is no generator; create_generator(NAME) returns the one of a name"
        )
    space, steps = check_space(generator, space), as_count(steps, "steps")
    (first_seed,) = as_seeds([seed])
    name, held = whole(generator)
    plain = held if label is None else as_label(label, generator)
    if label is not None and plain is None:
        raise PandaError(f"label {label!r:.60} is not one number, name or text for all photographs")
    pictures, sources = as_pictures(generator, photographs, align)
    if names and len(names) != len(pictures):
        raise PandaError(f"{len(names)} names for {len(pictures)} pictures")
    lpips = lpips or LPIPS(generator.device)
    started = time.perf_counter()
    candidates = _candidates(generator, range(first_seed, first_seed + CANDIDATES), plain)
    coordinates = measure(generator, candidates.latents)
    results: list[SearchResult] = []
    with bar(total=len(pictures) * steps, desc="invert", unit="step") as shown:
        counter = StepCounter(shown, len(pictures) * steps, progress)
        for row in range(len(pictures)):
            objective = Objective(lpips, pictures[row : row + 1])
            start = candidates.nearest(objective)
            results.append(_search(generator, start, coordinates, objective, space, steps, counter))
    config = {
        "weights_sha256": generator.digest,
        "space": space,
        "steps": steps,
        "label": plain,
        "seed": first_seed,
        "pictures": [str(name) for name in names or sources],
        "lpips": [round(float(result.error.lpips), 5) for result in results],
        "pixels": [round(float(result.error.pixels.sqrt()), 5) for result in results],
        "trace": [result.trace for result in results],
        "search": {"rate": RATE, "share": SHARE, "pull": PULL, "candidates": CANDIDATES},
        "seconds": round(time.perf_counter() - started, 3),
        "versions": {"panda": __version__, "torch": torch.__version__},
    }
    latents = Latents.cat([result.latents for result in results])
    images = torch.cat([result.image for result in results])
    return Inversion.of(name, latents, pictures, images, config)


@dataclass(frozen=True, eq=False)
class SearchResult:
    """The best point of the search for one picture.

    Attributes:
        latents: One row.
        image: What they make, ``[1, channels, H, W]`` float32 on the CPU.
        error: Of the image.
        trace: LPIPS before each step.
    """

    latents: Latents
    image: Tensor
    error: Error
    trace: list[float]


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

    def step(self, lpips: float) -> None:
        """Count a step that began at this LPIPS."""
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
        """Return the sample whose image has the least error."""
        with torch.no_grad():
            row = int(objective(self.images).total.argmin())
        return self.latents[row : row + 1]


def _candidates(generator: Generator, seeds: Sequence[int], label: Label | None) -> Candidates:
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
    counter: StepCounter,
) -> SearchResult:
    """Return the point with the least error among all on the way, the start included."""

    def result(x: Tensor) -> SearchResult:
        latents = coordinates.move(start, x.detach())
        with torch.no_grad():
            image = generator.forward(latents)
            return SearchResult(latents, image.float().cpu(), objective(image), trace)

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
            counter.step(trace[-1])
    last = result(x)
    return last if float(last.error.total) <= least else result(best)


def _ramp(step: int, count: int) -> float:
    """Return the length of a step: a short linear rise, then half a cosine down."""
    rise = (step + 1) / (RAMP * count + 1)
    return min(1.0, rise) * (RAMP + (1 - RAMP) * (1 + math.cos(math.pi * step / count)) / 2)
