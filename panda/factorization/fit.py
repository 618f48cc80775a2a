"""From a generator to factors: sample, gather statistics, solve, describe."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse.linalg
import torch
from torch import Tensor

import panda
from panda.errors import PandaError, nearest
from panda.factorization import processes
from panda.factorization.background import SAMPLES, Background, find_background, pooled
from panda.factorization.factors import Factors
from panda.factorization.features import Features
from panda.factorization.journal import Journal
from panda.factorization.moments import PartMoments
from panda.factorization.solvers import paper
from panda.factorization.solvers.joint import Solution, joint
from panda.factorization.statistics import Statistics, gather
from panda.files.npy import read_npy
from panda.generators.contract import Generator, Layer

SEEDS = range(1000)
SOLVERS = ("joint", "paper")
OWN_APPEARANCES = 16


def fit(
    generator: Generator,
    layer: str,
    *,
    parts: int = 8,
    appearances: int | None = None,
    seeds: Sequence[int] = SEEDS,
    truncation: float = 1.0,
    label: int | None = None,
    solver: str = "joint",
    learning_rate: float = 1e-6,
    steps: int = 10_000,
    batch: int | None = None,
    resume: Path | None = None,
) -> Factors:
    """Factorize a layer's features into ``parts`` parts and ``appearances`` appearances (paper, 3).

    ``appearances`` defaults to all C channels. ``learning_rate`` and ``steps`` are for the solver
    ``"paper"`` alone; the solver ``"joint"`` needs neither. ``batch`` changes speed, not results.
    ``resume`` names a folder for what there is so far, so that the same call goes on where it was
    stopped; `panda.factorization.journal.forget` removes it. Under torch.distributed, processes
    share the samples and all return the same factors (docs/scale.md).
    Raises `PandaError` for an unknown layer or solver, ranks out of range, bad features, factors
    that diverge or hold an all-zero part, and the paper's solver on several processes.
    """
    place = generator.layer(layer)
    appearances = place.channels if appearances is None else appearances
    _check_rank("parts", parts, place.positions, f"{place.height} x {place.width} positions")
    _check_rank("appearances", appearances, place.channels, f"{place.channels} channels")
    if solver not in SOLVERS:
        raise PandaError(f"there is no solver {solver!r}{nearest(solver, SOLVERS)}")
    if not seeds:
        raise PandaError("no seeds were given; at least one is needed")
    if steps < 1 or not 0 < learning_rate < float("inf"):
        raise PandaError(
            f"{steps} steps with learning rate {learning_rate:g}: expected at least one step and a"
            " positive rate"
        )
    if solver == "paper" and processes.count() > 1:
        raise PandaError("the paper rule takes one sample after the other: run it in one process")
    features = Features(generator, place, seeds, truncation, label, batch)
    started = time.perf_counter()
    journal = Journal(resume, _facts(features)) if resume else None
    statistics = gather(features, len(seeds), parts, journal)
    sampled = time.perf_counter()
    if solver == "joint":
        solution = joint(statistics, appearances, parts)
        options: dict[str, Any] = {}
    else:
        solution = _released(features, statistics, (appearances, parts), learning_rate, steps)
        options = {"learning_rate": learning_rate, "steps": steps}
    config = {
        "seeds": _compact(seeds),
        "truncation": truncation,
        "label": label,
        "solver": {"name": solver, **options},
        "energy_per_sample": statistics.energy / len(seeds),
        "energy_discarded": statistics.discarded,
        "processes": processes.count(),
        "trace": list(solution.trace),
        "seconds": {
            "sampling": round(sampled - started, 3),
            "solving": round(time.perf_counter() - sampled, 3),
        },
        "versions": {"panda": panda.__version__, "torch": torch.__version__},
    }
    return describe(generator.name, place, solution, statistics, config)


def describe(
    generator: str,
    layer: Layer,
    solution: Solution,
    statistics: Statistics,
    config: dict[str, Any],
) -> Factors:
    """Turn a solution into factors: add what its coordinates are like over the samples."""
    A, P = solution.appearances.to(statistics.basis), solution.parts.to(statistics.basis)
    background = _background(statistics, layer)
    around = background.appearance
    scatter = solution.scatter
    if scatter is None:
        scatter = PartMoments.of(statistics, P).scatter
    # Coordinates are means over a part's positions; their spread is one over the samples.
    weight = P.sum(0)[:, None] * statistics.count**0.5
    spread = ((scatter.float() @ A) * A).sum(1).clamp_min(0).sqrt() / weight
    if A.shape[1] == A.shape[0]:
        own, own_spread = _principal(scatter)
    else:
        span = torch.linalg.qr(A)[0]
        own, own_spread = _principal(span.T.double() @ scatter @ span.double())
        own, around = own @ span.T, span @ (span.T @ around)
    scale = (statistics.energy / statistics.count / layer.positions) ** 0.5
    tensors = {
        "appearances": A,
        "parts": P,
        "spread": spread.T,
        "own": own,
        "own_spread": own_spread / weight,
        "background": around * scale / around.norm().clamp_min(1e-30),
        "background_detector": background.detector,
        "mean": statistics.mean,
    }
    cpu = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
    return Factors(generator=generator, layer=layer, config=config, **cpu)


def _background(statistics: Statistics, layer: Layer) -> Background:
    """The background, as the first samples show it, without the mean feature of all."""
    samples = statistics.first(SAMPLES)
    away = samples - statistics.mean[:, None] * statistics.basis.sum(0)
    if float(away.norm()) < 1e-5 * float(samples.norm()):
        away.zero_()  # nothing varies but the rounding
    maps = statistics.basis.T.reshape(-1, layer.height, layer.width)
    return find_background(away, pooled(maps, layer))


def _principal(scatter: Tensor) -> tuple[Tensor, Tensor]:
    """The leading axes ``[R_S, K, L]`` of scatters ``[R_S, L, L]``, and the roots of their values.

    Every process finds those of some parts.
    """
    parts, size = scatter.shape[:2]
    count = min(OWN_APPEARANCES, size)
    axes, values = torch.zeros(parts, count, size), torch.zeros(parts, count)
    for part in range(processes.rank(), parts, processes.count()):
        found = _leading(scatter[part].cpu().numpy(), count)
        values[part], axes[part] = (torch.from_numpy(array.T).flip(0) for array in found)
    axes, values = processes.add([axes, values])
    axes = axes * axes.gather(2, axes.abs().argmax(2, keepdim=True)).sign()
    return axes.to(scatter.device), values.clamp_min(0).sqrt().to(scatter.device)


def _leading(matrix: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The ``count`` largest eigenvalues of a positive matrix, ascending, and their vectors.

    By Lanczos' method, to the last digits in a fifth of the time, where all these values differ;
    of equal ones, as of zeros, its vectors would be random.
    """
    size, scale = len(matrix), float(matrix.trace())
    if size > 4 * count and scale > 0:
        start = np.random.default_rng(0).standard_normal(size)
        with suppress(scipy.sparse.linalg.ArpackError):
            values, axes = scipy.sparse.linalg.eigsh(
                matrix / scale, count + 1, which="LA", v0=start
            )
            if np.diff(values).min() > 1e-9 * values[-1]:
                return scale * values[1:], axes[:, 1:]
    values, axes = scipy.linalg.eigh(matrix, subset_by_index=(size - count, size - 1))
    return values, axes


def import_released(
    generator: Generator,
    layer: str,
    appearances: str | Path,
    parts: str | Path,
    *,
    seeds: Sequence[int] = range(200),
) -> Factors:
    """Read the released code's ``.npy`` factors (``Uc-...`` and ``Us-...``) as factors of ours.

    ``seeds`` are sampled for the statistics of the coordinates, which the files do not hold.
    """
    place = generator.layer(layer)
    A, P = read_npy(appearances), read_npy(parts)
    if len(A) != place.channels or len(P) != place.positions:
        raise PandaError(
            f"{appearances} is for {len(A)} channels and {parts} for {len(P)} positions, but"
            f" {generator.name} {layer} has {place.channels} and {place.positions}"
        )
    if not bool(torch.isfinite(A).all() and torch.isfinite(P).all()) or bool((P <= 0).all(0).any()):
        raise PandaError(f"{appearances} or {parts} holds NaN, infinity or an all-zero part")
    statistics = gather(Features(generator, place, seeds), len(seeds), P.shape[1])
    config = {
        "seeds": _compact(seeds),
        "truncation": 1.0,
        "label": None,
        "solver": {"name": "imported", "files": [Path(appearances).name, Path(parts).name]},
        "trace": [],
        "versions": {"panda": panda.__version__, "torch": torch.__version__},
    }
    return describe(generator.name, place, Solution(A, P.clamp_min(0), ()), statistics, config)


def reconstruction_loss(A: Tensor, P: Tensor, features: Iterable[Tensor]) -> float:
    """The exact loss over a stream of ``[B, C, S]`` features, as a fraction of their energy."""
    loss = energy = 0.0
    for Z in features:
        A, P = A.to(Z), P.to(Z)
        loss += float((Z - (A @ (A.T @ (Z @ P))) @ P.T).square().sum(2).double().sum())
        energy += float(Z.square().sum(2).double().sum())
    return loss / energy


def _released(
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
    A, P = paper.decompose(A, P, islice(_one_by_one(features), steps), learning_rate)
    return Solution(A, P, (reconstruction_loss(A, P, features),))


def _one_by_one(features: Features) -> Iterator[Tensor]:
    while True:
        for batch in features:
            yield from torch.split(batch, 1)


def _check_rank(name: str, rank: int, limit: int, of: str) -> None:
    if not 1 <= rank <= limit:
        raise PandaError(f"{rank} {name} were asked for; this layer has {of}, so 1 to {limit}")


def _facts(features: Features) -> dict[str, Any]:
    """All that compressed samples depend on, but for the network's weights."""
    return {
        "generator": features.generator.name,
        "layer": asdict(features.layer),
        "seeds": _compact(features.seeds),
        "truncation": features.truncation,
        "label": features.label,
        "batch": features.size,
        "versions": {"panda": panda.__version__, "torch": torch.__version__},
    }


def _compact(seeds: Sequence[int]) -> str | list[int]:
    """Seeds as ``"0-999"`` where they are a run, else as they are."""
    run = list(range(seeds[0], seeds[0] + len(seeds)))
    return f"{run[0]}-{run[-1]}" if list(seeds) == run else list(seeds)
