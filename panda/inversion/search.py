"""`invert`: find latents, and a change of features, whose images are given pictures.

As the projection of Karras et al. (arXiv 1912.04958, appendix D), with four differences: w is
searched along its principal axes, in standard deviations, by which it is also pulled back to the
samples (as in Zhu et al., arXiv 2012.09036); the start is the nearest of some samples; after w,
each slot gets a w of its own (w+); and then the features of a layer are searched, around those that
the latents give.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from panda import __version__
from panda.errors import PandaError
from panda.generators.contract import Generator, Latents
from panda.generators.labels import as_label
from panda.generators.one_class import whole
from panda.generators.seeds import as_count, as_seeds
from panda.inversion.alignment import FaceChoice
from panda.inversion.candidates import Candidates
from panda.inversion.coordinates import FEATURES, SearchedLatents, measure
from panda.inversion.descent import Progress, StepCounter, descend
from panda.inversion.features import SearchedFeatures
from panda.inversion.inversion import Inversion
from panda.inversion.objective import Error, Objective
from panda.inversion.pictures import Photographs, as_pictures
from panda.inversion.plan import Plan
from panda.metrics.lpips import LPIPS
from panda.progress import bar

STEPS = 100
"""Of the search for each picture."""

CANDIDATES = 16
"""Samples of which the one nearest to a picture is the start."""


def invert(
    generator: Generator,
    photographs: Photographs,
    *,
    align: str = "auto",
    face: FaceChoice = "largest",
    space: str | None = None,
    layer: str | None = None,
    steps: int = STEPS,
    label: Any = None,
    seed: int = 0,
    names: Sequence[str] = (),
    lpips: LPIPS | None = None,
    progress: Progress | None = None,
) -> Inversion:
    """Find latents and features for photographs, each by itself.

    On a CPU the same call gives the same result, and that of a photograph does not depend on the
    others.

    Args:
        generator: Whose latents and features are searched.
        photographs: One or several. Files, PIL pictures and arrays of bytes ``[H, W, 3]`` are
            aligned as ``align`` says. Floats ``[N, channels, H, W]`` or ``[channels, H, W]`` in
            [-1, 1], of torch or NumPy, have the proportions of the generator's images and are
            aligned already: faces lie as they do in these.
        align: ``"always"``, ``"never"``, or ``"auto"`` for generators of faces alone; see
            `panda.inversion.alignment.to_pictures`.
        face: Of a photograph with several faces the ``"largest"``, ``"all"``, each by itself, or
            the one of a number, counted from the left.
        space: ``"w"``, ``"w+"`` (first w, then a w for each slot), ``"z"``, or ``"features"``: the
            widest of those that the generator has, then a change of the features of one layer,
            which the latents carry from then on. By default features.
        layer: Whose features are searched; by default the last one nearest to 32 positions from top
            to bottom, or to a quarter of the image's height where that is less.
        steps: Of the search, for each photograph; with features, six of ten search latents.
        label: The class of a conditional generator by number or name, or its text, for all
            photographs; without it the start decides.
        seed: The first seed of the samples that a search may start from.
        names: What photographs are called in the result; files are called by their paths.
        lpips: The distance, where it is loaded already.
        progress: Called after each step; what it raises ends the search.

    Raises:
        PandaError: For another space or layer, pictures that cannot be read or aligned, and where
            LPIPS cannot be fetched.
    """
    if not isinstance(generator, Generator):
        raise PandaError(
            f"{generator!r:.60} is no generator; create_generator(NAME) returns the one of a name"
        )
    plan = Plan.of(generator, space, layer, as_count(steps, "steps"))
    (first_seed,) = as_seeds([seed])
    name, held = whole(generator)
    plain = held if label is None else as_label(label, generator)
    if label is not None and plain is None:
        raise PandaError(f"label {label!r:.60} is not one number, name or text for all photographs")
    given = as_pictures(generator, photographs, align, face)
    pictures = given.images
    if names and len(names) != len(pictures):
        raise PandaError(f"{len(names)} names for {len(pictures)} pictures")
    lpips = lpips or LPIPS(generator.device)
    started = time.perf_counter()
    seeds = range(first_seed, first_seed + CANDIDATES)
    candidates = Candidates.of(generator, seeds, plain, plan.layer)
    search = Search(generator, plan, candidates)
    results: list[Found] = []
    with bar(total=len(pictures) * plan.steps, desc="invert", unit="step") as shown:
        counter = StepCounter(shown, len(pictures) * plan.steps, progress)
        for row in range(len(pictures)):
            results.append(search(Objective(lpips, pictures[row : row + 1]), counter))
    config = {
        "weights_sha256": generator.digest,
        "space": plan.space,
        "layer": plan.layer,
        "steps": plan.steps,
        "label": plain,
        "seed": first_seed,
        "pictures": [str(name) for name in names or given.names],
        "photographs": given.places,
        "lpips": [round(float(result.error.lpips), 5) for result in results],
        "pixels": [round(float(result.error.pixels.sqrt()), 5) for result in results],
        "trace": [result.trace for result in results],
        "search": {"stages": plan.stages, "candidates": CANDIDATES},
        "seconds": round(time.perf_counter() - started, 3),
        "versions": {"panda": __version__, "torch": torch.__version__},
    }
    latents = Latents.cat([result.latents for result in results])
    images = torch.cat([result.image for result in results])
    return Inversion.of(name, latents, pictures, images, config)


@dataclass(frozen=True, eq=False)
class Found:
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


class Search:
    """Searches pictures, one after the other, as a plan says.

    Args:
        generator: The generator.
        plan: Where to search.
        candidates: What a search may start from.
    """

    def __init__(self, generator: Generator, plan: Plan, candidates: Candidates) -> None:
        self._generator, self._plan, self._candidates = generator, plan, candidates
        moves = any(space != FEATURES for space in plan.stages)
        self._coordinates = measure(generator, candidates.latents) if moves else None

    def __call__(self, objective: Objective, counter: StepCounter) -> Found:
        """Return the best point for one picture."""
        trace = list[float]()
        latents = start = self._candidates.nearest(objective)
        x = None if self._coordinates is None else self._coordinates.of(start)
        for space, steps in self._plan.stages.items():
            searched: SearchedLatents | SearchedFeatures
            if space == FEATURES:
                searched = self._features(latents)
            else:
                assert self._coordinates is not None and x is not None
                x = self._coordinates.widen(x) if space == "w+" else x
                searched = SearchedLatents(self._generator, self._coordinates, start, x)
            x, image, error = descend(searched, objective, steps, counter, trace)
            latents = searched.latents(x)
        return Found(latents, image.float().cpu(), error, trace)

    def _features(self, latents: Latents) -> SearchedFeatures:
        layer, deviation = self._plan.layer, self._candidates.deviation
        assert layer is not None and deviation is not None
        return SearchedFeatures(self._generator, latents, layer, deviation)
