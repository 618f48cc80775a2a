"""What each choice of a factorization does, one at a time, on samples kept out of the fit."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path

import torch
from torch import Tensor

from panda.errors import PandaError
from panda.factorization.factors import Factors, scale_parts
from panda.factorization.features import Features
from panda.factorization.fit import fit, reconstruction_loss
from panda.factorization.solvers.joint import joint
from panda.factorization.solvers.quartic import Quartic, descend_parts
from panda.factorization.solvers.refine import refine_parts
from panda.factorization.statistics import Statistics, gather
from panda.files.writing import staging
from panda.generators.contract import Generator, Layer
from panda.generators.seeds import evaluation_seeds
from panda.report.page import Page


@dataclass(frozen=True)
class AblationRow:
    """One variant: its loss on samples kept out, as a share of their energy, and its cost.

    ``area`` is the mean share of the positions that a part takes up: 1 where it is everywhere.
    """

    choice: str
    value: str
    loss: float
    area: float
    cpu_seconds: float


def area(parts: Tensor) -> float:
    """The mean over parts ``[S, R_S]`` of ``(sum p)^2 / (S sum p^2)``."""
    scaled = scale_parts(parts.abs()).double()
    share = scaled.sum(0).square() / (len(scaled) * scaled.square().sum(0))
    return float(share.mean())


def ablate(
    generator: Generator,
    layer: str,
    *,
    layers: Sequence[str] = (),
    parts: Sequence[int] = (4, 8, 16),
    appearances: Sequence[int] = (),
    samples: Sequence[int] = (50, 200, 1000),
    held_out: int = 100,
    steps: int = 2000,
) -> list[AblationRow]:
    """All variants around one fit of ``layer`` with the middle of ``parts`` and most ``samples``.

    ``appearances`` defaults to an eighth, half and all of the channels. ``steps`` are those of the
    paper's rule, whose start is random. Raises `PandaError` for an empty list.
    """
    place = generator.layer(layer)
    if not parts or not samples:
        raise PandaError("expected at least one number of parts and of samples")
    count, most = sorted(parts)[len(parts) // 2], max(samples)
    ranks = appearances or (place.channels // 8, place.channels // 2, place.channels)
    tests: dict[str, list[Tensor]] = {}

    def held(name: str) -> list[Tensor]:
        if name not in tests:
            seeds = evaluation_seeds(held_out)
            tests[name] = list(Features(generator, generator.layer(name), seeds))
        return tests[name]

    def row(choice: str, value: str, make: Callable[[], Factors]) -> AblationRow:
        started = time.process_time()
        factors = make()
        seconds = time.process_time() - started
        loss = reconstruction_loss(factors.appearances, factors.parts, held(factors.layer.name))
        return AblationRow(choice, value, loss, area(factors.parts), seconds)

    def fitted(**changes: object) -> Callable[[], Factors]:
        options = {"layer": layer, "parts": count, "seeds": range(most), **changes}
        return lambda: fit(generator, **options)  # type: ignore[arg-type]

    def rows() -> Iterator[AblationRow]:
        for name in layers or (layer,):
            yield row("layer", name, fitted(layer=name))
        for number in parts:
            yield row("parts", str(number), fitted(parts=number))
        for number in dict.fromkeys(ranks):
            yield row("appearances", str(number), fitted(appearances=number))
        for number in samples:
            yield row("samples", str(number), fitted(seeds=range(number)))
        yield row("solver", "joint", fitted())
        rule = fitted(solver="paper", steps=steps, learning_rate=_rate(held(layer)))
        yield row("solver", f"paper's rule, {steps} steps", rule)
        started = time.process_time()
        statistics = gather(Features(generator, place, range(most)), most, count)
        gathered = time.process_time() - started
        yield from _started(statistics, place, count, held(layer), gathered)
        yield from _free(statistics, place, count, held(layer), gathered)
        yield _refined(fitted()(), held(layer))

    return list(rows())


def _rate(features: list[Tensor]) -> float:
    """A learning rate that the paper's rule survives: its steps grow with the features' energy."""
    energy = float(features[0].square().sum((1, 2)).mean())
    return 0.04 / energy


def _started(
    statistics: Statistics, place: Layer, parts: int, held: list[Tensor], gathered: float
) -> Iterator[AblationRow]:
    """The joint solver from random parts, as the paper's rule begins.

    ``gathered`` are the CPU seconds that the statistics took.
    """
    for seed in range(3):
        draw = torch.Generator().manual_seed(seed)
        start = torch.rand(place.positions, parts, generator=draw)
        started = time.process_time()
        found = joint(statistics, place.channels, parts, start)
        seconds = gathered + time.process_time() - started
        loss = reconstruction_loss(found.appearances, found.parts, held)
        yield AblationRow("start", f"random, seed {seed}", loss, area(found.parts), seconds)


def _free(
    statistics: Statistics, place: Layer, parts: int, held: list[Tensor], gathered: float
) -> Iterator[AblationRow]:
    """An orthonormal A, for which G is the identity; and with it parts that may be negative."""
    started = time.process_time()

    def terms(z: Tensor) -> tuple[Tensor]:
        flat = z.flatten(0, 1)
        return (flat.T @ flat,)

    basis = statistics.basis.double().cpu()
    scatter = statistics.sum(terms)[0].double().cpu() / statistics.energy
    gathered += time.process_time() - started
    free = basis @ torch.linalg.eigh(scatter)[1][:, -parts:]
    started = time.process_time()
    bound = descend_parts(Quartic(scatter, scatter, basis), free.abs(), 1e-9, 2000)
    solved = time.process_time() - started
    identity = torch.eye(place.channels)
    for choice, P, seconds in (
        ("orthonormal", bound, solved),
        ("orthonormal, P of any sign", free, 0),
    ):
        loss = reconstruction_loss(identity, P.float(), held)
        yield AblationRow("A", choice, loss, area(P), gathered + seconds)


def _refined(factors: Factors, held: list[Tensor]) -> AblationRow:
    """Parts fitted to each of the held-out samples."""
    started, loss, energy, areas = time.process_time(), 0.0, 0.0, []
    A, shared = (tensor.to(held[0]) for tensor in (factors.appearances, factors.parts))
    for Z in held:
        P = refine_parts(A, shared, Z)
        loss += float((Z - A @ ((A.T @ (Z @ P)) @ P.mT)).square().sum())
        energy += float(Z.square().sum())
        areas += [area(one) for one in P]
    seconds = time.process_time() - started
    return AblationRow(
        "refinement", "parts of each sample", loss / energy, sum(areas) / len(areas), seconds
    )


def choose(rows: Sequence[AblationRow]) -> str:
    """A paragraph of what these figures say."""
    by = {(row.choice, row.value): row for row in rows}
    groups = {
        c: [row for row in rows if row.choice == c] for c in dict.fromkeys(r.choice for r in rows)
    }
    said = []
    for choice in ("parts", "appearances", "samples"):
        ordered = sorted(groups.get(choice, []), key=lambda row: int(row.value))
        if len(ordered) > 1:
            first, last = ordered[0], ordered[-1]
            said.append(
                f"{choice} from {first.value} to {last.value}: loss {first.loss:.4f} to"
                f" {last.loss:.4f}, area of a part {first.area:.3f} to {last.area:.3f}"
            )
    joint = by.get(("solver", "joint"))
    if joint is not None:
        kinds = groups.get("solver", [])[1:], *(groups[c] for c in ("start", "A", "refinement"))
        for row in chain.from_iterable(kinds):
            word = "less" if row.loss < joint.loss else "more"
            gap = abs(row.loss - joint.loss)
            said.append(f"{row.choice} {row.value}: {gap:.4f} {word} loss than the joint solver's")
    return ". ".join(text[0].upper() + text[1:] for text in said) + "."


def write(rows: Sequence[AblationRow], title: str, out: Path) -> Path:
    """Write ablations.json and a page of tables and plots into a folder; returns the page."""
    page = Page(f"Ablations: {title}", choose(rows))
    for choice in dict.fromkeys(row.choice for row in rows):
        own = [row for row in rows if row.choice == choice]
        page.section(choice, "Loss on samples that no fit has seen, as a share of their energy.")
        page.bars({row.value: row.loss for row in own})
        head = [choice, "loss", "area of a part", "CPU seconds"]
        page.table(
            head,
            [[r.value, f"{r.loss:.4f}", f"{r.area:.3f}", f"{r.cpu_seconds:.1f}"] for r in own],
        )
    with staging(out / "ablations.json") as work:
        work.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    page.save(out / "ablations.html")
    return out / "ablations.html"
