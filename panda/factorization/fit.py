"""From a generator to factors: sample features, gather statistics, solve, describe."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import asdict
from itertools import islice
from typing import Any, SupportsFloat, SupportsIndex

import torch
from torch import Tensor

from panda import __version__
from panda.errors import PandaError, nearest
from panda.factorization import processes
from panda.factorization.artifacts import EXCESS
from panda.factorization.background import BORDERS
from panda.factorization.describe import describe
from panda.factorization.factors import Factors
from panda.factorization.features import Features
from panda.factorization.inputs import as_path, compact_seeds, find_layer
from panda.factorization.journal import Journal
from panda.factorization.loss import check_true_samples
from panda.factorization.loss import reconstruction_loss as reconstruction_loss
from panda.factorization.solvers import paper
from panda.factorization.solvers.choose import choose_appearances, choose_parts
from panda.factorization.solvers.joint import Solution, joint
from panda.factorization.statistics import Statistics, gather
from panda.files.npy import read_npy
from panda.generators.contract import Generator, Layer
from panda.generators.labels import as_labels
from panda.generators.natural import as_number, as_truncation
from panda.generators.one_class import whole
from panda.generators.seeds import Seeds, as_seeds, as_whole
from panda.notes import note

Labels = SupportsIndex | str | Iterable[SupportsIndex | str] | None

AUTO = "auto"
MOST_PARTS = 16
"""The most parts that are chosen automatically."""

SEEDS = range(1000)
SOLVERS = ("joint", "paper")


def fit(
    generator: Generator,
    layer: str,
    *,
    parts: SupportsIndex | str = 8,
    appearances: SupportsIndex | str | None = None,
    seeds: Seeds = SEEDS,
    truncation: SupportsFloat = 1.0,
    label: Labels = None,
    solver: str = "joint",
    learning_rate: SupportsFloat = 1e-6,
    steps: SupportsIndex = 10_000,
    keep_artifacts: bool = False,
    border: str = BORDERS[0],
    batch: SupportsIndex | None = None,
    resume: str | os.PathLike[str] | None = None,
) -> Factors:
    """Factorize the features of a layer into parts and appearances (paper, section 3).

    Under torch.distributed, processes share the samples and all return the same factors
    (docs/scale.md).

    Args:
        generator: Where features come from.
        layer: The name of one of its layers.
        parts: R_S, the number of parts, at most the layer's positions; or ``"auto"``: of 2
            to 16, a number that halves of the samples agree on, at the knee of the loss
            (`panda.factorization.solvers.choose`).
        appearances: R_C, the number of appearances, at most the layer's channels C; by default C.
            Or ``"auto"``: a number on whose span halves of the samples agree, at the knee of the
            loss, for the parts of all channels.
        seeds: The samples: numbers, a range, an array, text such as ``"0-999"``, or one number n
            for the seeds 0 to n - 1.
        truncation: Psi of the samples; 1 leaves their distribution as it is.
        label: The class of all samples by number or name, or their text, or one for each; by
            default each seed draws its own.
        solver: ``"joint"``, or ``"paper"`` for the released update rule.
        learning_rate: For the solver ``"paper"`` only.
        steps: For the solver ``"paper"`` only.
        keep_artifacts: Find parts in the features as they are, even where a few positions vary so
            much that parts become specks; see `panda.factorization.artifacts`. The solver
            ``"paper"`` always does.
        border: Where background meets the border of the images: ``"corners"`` (at the top and the
            upper sides), ``"top"``, ``"sides"`` (all around), or ``"none"`` where there is none.
        batch: How many samples to compute together; changes the speed, not the results.
        resume: A folder for intermediate results, from which the same call resumes after an
            interruption; `panda.factorization.journal.forget` removes it.

    Raises:
        PandaError: For arguments out of range, features that are not finite, factors that diverge
            or have an all-zero part, and the solver ``"paper"`` on several processes.
    """
    place = find_layer(generator, layer)
    automatic, few = (isinstance(rank, str) and rank == AUTO for rank in (parts, appearances))
    rank_s = _check_rank(
        "parts",
        min(MOST_PARTS, place.positions) if automatic else parts,
        place.positions,
        f"{place.height} x {place.width} positions",
    )
    rank_c = place.channels
    if appearances is not None and not few:
        rank_c = _check_rank(
            "appearances", appearances, place.channels, f"{place.channels} channels"
        )
    if solver not in SOLVERS:
        raise PandaError(f"there is no solver {solver!r:.60}{nearest(str(solver), SOLVERS)}")
    if border not in BORDERS:
        raise PandaError(f"there is no border {border!r:.60}{nearest(str(border), BORDERS)}")
    if automatic and (solver != "joint" or place.positions < 2):
        raise PandaError(f"parts={AUTO!r} needs the solver joint and a layer of several positions")
    if few and solver != "joint":
        raise PandaError(f"appearances={AUTO!r} needs the solver joint")
    count, rate = as_whole(steps), as_number(learning_rate, "learning rate")
    if count is None or count < 1 or rate <= 0:
        raise PandaError(
            f"{steps!r:.60} steps with learning rate {rate:g}: expected at least one step and a"
            " positive rate"
        )
    if solver == "paper" and processes.count() > 1:
        raise PandaError("the paper rule takes one sample after the other: run it in one process")
    features = _features(generator, place, seeds, truncation, label, batch)
    started = time.perf_counter()
    folder = None if resume is None else as_path(resume, "resume")
    # An exception keeps the frames that it passed, so that no journal goes before it is handled.
    facts = {**_facts(features), "keep_artifacts": bool(keep_artifacts)}
    with nullcontext() if folder is None else Journal(folder, facts) as journal:
        statistics = gather(
            features,
            len(features.seeds),
            rank_s,
            journal,
            None if keep_artifacts or solver == "paper" else place,
        )
        if statistics.artifacts and processes.rank() == 0:
            note(
                f"{layer} has artifacts: positions that vary over {EXCESS:g} times as much as most,"
                " and most parts would be specks there. Parts are found without them, at a higher"
                " loss; --keep-artifacts (keep_artifacts=True) fits features as they are"
            )
        sampled = time.perf_counter()
        if solver == "joint":
            curves: dict[str, list[dict[str, float]]] = {}
            if automatic:
                solution, curves["curve"] = choose_parts(statistics, rank_c, rank_s)
            else:
                solution = joint(statistics, rank_c, rank_s)
            if few:
                rank_c, curves["appearance_curve"] = choose_appearances(statistics, solution.parts)
                if rank_c < place.channels:
                    solution = joint(statistics, rank_c, solution.parts.shape[1])
            check_true_samples(solution.appearances, solution.parts, statistics, features)
            options: dict[str, Any] = {"keep_artifacts": True} if keep_artifacts else {}
            options |= curves
        else:
            solution = _fit_released_rule(features, statistics, (rank_c, rank_s), rate, count)
            options = {"learning_rate": rate, "steps": count}
        config = {
            "weights_sha256": generator.digest,
            "seeds": compact_seeds(features.seeds),
            "truncation": features.truncation,
            "label": features.label,
            "solver": {"name": solver, **options},
            "border": statistics.artifacts.ring if statistics.artifacts else 0,
            "energy_per_sample": statistics.energy / len(features.seeds),
            "energy_discarded": statistics.discarded,
            "processes": processes.count(),
            "trace": list(solution.trace),
            "seconds": {
                "sampling": round(sampled - started, 3),
                "solving": round(time.perf_counter() - sampled, 3),
            },
            "versions": _versions(),
        }
        return _described(generator, place, solution, statistics, config, border)


def import_released(
    generator: Generator,
    layer: str,
    appearances: str | os.PathLike[str],
    parts: str | os.PathLike[str],
    *,
    seeds: Seeds = range(200),
) -> Factors:
    """Read the released code's factor files as factors.

    Args:
        generator: The generator that they are of.
        layer: The name of their layer.
        appearances: The file ``Uc-....npy``.
        parts: The file ``Us-....npy``.
        seeds: Samples for the statistics of the coordinates, which the files do not have; see
            `fit`.

    Raises:
        PandaError: Where the files do not fit the layer, or are damaged.
    """
    place = find_layer(generator, layer)
    files = [as_path(file, "the released file") for file in (appearances, parts)]
    A, P = map(read_npy, files)
    if len(A) != place.channels or len(P) != place.positions:
        raise PandaError(
            f"{appearances} is for {len(A)} channels and {parts} for {len(P)} positions, but"
            f" {generator.name} {layer} has {place.channels} and {place.positions}"
        )
    if not bool(torch.isfinite(A).all() and torch.isfinite(P).all()) or bool((P <= 0).all(0).any()):
        raise PandaError(f"{appearances} or {parts} holds NaN, infinity or an all-zero part")
    features = _features(generator, place, seeds)
    statistics = gather(features, len(features.seeds), P.shape[1])
    config = {
        "weights_sha256": generator.digest,
        "seeds": compact_seeds(features.seeds),
        "truncation": 1.0,
        "label": features.label,
        "solver": {"name": "imported", "files": [file.name for file in files]},
        "trace": [],
        "versions": _versions(),
    }
    solution = Solution(A, P.clamp_min(0), ())
    return _described(generator, place, solution, statistics, config, BORDERS[0])


def _described(
    generator: Generator,
    layer: Layer,
    solution: Solution,
    statistics: Statistics,
    config: dict[str, Any],
    border: str,
) -> Factors:
    """Return a solution completed to factors, and say so where no background was found."""
    config = {"size": [int(side) for side in generator.size], **config}
    factors = describe(whole(generator)[0], layer, solution, statistics, config, border)
    if not factors.has_background and processes.rank() == 0:
        note(factors.no_background)
    return factors


def _features(
    generator: Generator,
    layer: Layer,
    seeds: Seeds,
    truncation: SupportsFloat = 1.0,
    label: Labels = None,
    batch: SupportsIndex | None = None,
) -> Features:
    """Check what features are sampled from; raise `PandaError` where it cannot be used."""
    size = as_whole(batch)
    if batch is not None and (size is None or size < 1):
        raise PandaError(f"batch is {batch!r:.60}, expected a whole number of samples from 1")
    plain = as_seeds(seeds)
    _, held = whole(generator)
    psi, labels = (
        as_truncation(truncation),
        as_labels(held if label is None else label, len(plain), generator),
    )
    return Features(generator, layer, plain, psi, labels, size)


def _fit_released_rule(
    features: Features,
    statistics: Statistics,
    ranks: tuple[int, int],
    learning_rate: float,
    steps: int,
) -> Solution:
    """Run the released rule, one sample a step, over the seeds again and again."""

    def terms(z: Tensor) -> tuple[Tensor]:
        rows = z.movedim(1, 0).flatten(1)
        return (rows @ rows.T,)

    scatter = statistics.sum(terms)[0].to(statistics.basis)
    A, P = paper.initial_factors(scatter, features.layer.positions, ranks)
    A, P = paper.decompose(A, P, islice(_endless_samples(features), steps), learning_rate)
    return Solution(A, P, (reconstruction_loss(A, P, features),))


def _endless_samples(features: Features) -> Iterator[Tensor]:
    """Yield samples ``[1, C, S]``, from the first again after the last."""
    while True:
        for batch in features:
            yield from torch.split(batch, 1)


def _check_rank(name: str, rank: object, limit: int, available: str) -> int:
    """Return a rank as an int; raise `PandaError` where it is not one from 1 to the limit."""
    whole = as_whole(rank)
    if whole is None or not 1 <= whole <= limit:
        given = f"{name} is {rank!r:.60}" if whole is None else f"{whole} {name} were asked for"
        raise PandaError(f"{given}; this layer has {available}, so 1 to {limit}")
    return whole


def _facts(features: Features) -> dict[str, Any]:
    """Return everything that compressed samples depend on."""
    return {
        "generator": features.generator.name,
        "weights_sha256": features.generator.digest,
        "layer": asdict(features.layer),
        "seeds": compact_seeds(features.seeds),
        "truncation": features.truncation,
        "label": features.label,
        "batch": features.size,
        "versions": _versions(),
    }


def _versions() -> dict[str, str]:
    """Return the versions that results may depend on."""
    return {"panda": __version__, "torch": torch.__version__}
