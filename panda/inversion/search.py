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
from typing import Any

import torch

from panda import __version__
from panda.errors import PandaError
from panda.generators.contract import Generator, Latents
from panda.generators.labels import as_label
from panda.generators.one_class import whole
from panda.generators.seeds import as_count, as_seeds
from panda.inversion.descent import Progress, StepCounter
from panda.inversion.inversion import Inversion
from panda.inversion.objective import Objective
from panda.inversion.plan import Plan
from panda.inversion.searcher import Found, Searcher
from panda.metrics.lpips import LPIPS
from panda.photographs.alignment import FaceChoice
from panda.photographs.pictures import Photographs, as_pictures
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
    keep: bool = False,
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
            `panda.photographs.alignment.to_pictures`.
        face: Of a photograph with several faces the ``"largest"``, ``"all"``, each by itself, or
            the one of a number, counted from the left.
        space: ``"w"``, ``"w+"`` (first w, then a w for each slot), ``"z"``, or ``"features"``: the
            widest of those that the generator has, then a change of the features of one layer,
            which the latents carry from then on. By default features.
        layer: Whose features are searched; by default the last one nearest to 32 positions from top
            to bottom, or to a quarter of the image's height where that is less.
        steps: Of the search, for each photograph; with features, three of ten search latents.
        label: The class of a conditional generator by number or name, or its text, for all
            photographs; without it the start decides.
        seed: The first seed of the samples that a search may start from.
        names: What photographs are called in the result; files are called by their paths.
        keep: Whether what is found for each photograph is kept in the cache, so that a call that
            was interrupted goes on, and one with the same settings is done at once.
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
    search = Searcher(generator, plan, seeds, plain)
    results: list[Found] = []
    with bar(total=len(pictures) * plan.steps, desc="invert", unit="step") as shown:
        counter = StepCounter(shown, len(pictures) * plan.steps, progress)
        for row in range(len(pictures)):
            picture = pictures[row : row + 1]
            objective = Objective(lpips, picture, given.inside[row])
            if keep:
                results.append(search.kept(picture, given.inside[row], objective, counter))
            else:
                results.append(search(objective, counter))
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
