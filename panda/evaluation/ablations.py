"""What each choice of a factorization does, one at a time, on samples that no fit has seen."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from panda.factorization.factors import Factors, scale_parts
from panda.factorization.features import Features
from panda.factorization.fit import fit, reconstruction_loss
from panda.factorization.solvers.joint import joint
from panda.factorization.solvers.quartic import Quartic, descend_parts
from panda.factorization.solvers.refine import refine_parts
from panda.factorization.statistics import Statistics, gather
from panda.files.writing import staging
from panda.generators.contract import Generator, Layer, on_canvas
from panda.generators.seeds import Seeds, as_count, as_counts, evaluation_seeds
from panda.report.page import Page
from panda.report.table import Table

RANDOM_STARTS = 3


@dataclass(frozen=True)
class AblationRow:
    """One variant of a fit.

    Attributes:
        choice: What is varied.
        value: How.
        loss: On held-out samples, as a share of their energy.
        area: The mean share of the image that a part takes up: 1 where it is everywhere.
        cpu_seconds: Of the whole fit, sampling included.
    """

    choice: str
    value: str
    loss: float
    area: float
    cpu_seconds: float


def area(layer: Layer, parts: Tensor) -> float:
    """Return the mean over parts ``[S, R_S]`` of ``(sum p)^2 / (n sum p^2)``.

    The sums are over the n positions inside the image.
    """
    padded = scale_parts(parts.abs()).T.view(-1, layer.height, layer.width)
    inside = on_canvas(padded, layer).flatten(1).double()
    weight = inside.square().sum(1).clamp_min(1e-30)
    return float((inside.sum(1).square() / (inside.shape[1] * weight)).mean())


def ablate(
    generator: Generator,
    layer: str,
    *,
    layers: str | Sequence[str] = (),
    parts: Seeds = (4, 8, 16),
    appearances: Seeds | None = None,
    samples: Seeds = (50, 200, 1000),
    held_out: int = 100,
    steps: int = 2000,
) -> list[AblationRow]:
    """Vary one choice at a time around a fit with the middle of ``parts`` and most ``samples``.

    Args:
        generator: What is factorized.
        layer: The layer of all variants but those of ``layers``.
        layers: Layers to compare; a name, or several.
        parts: Numbers of parts to compare.
        appearances: Numbers of appearances; an eighth, half and all of the channels by default.
        samples: Numbers of samples.
        held_out: The number of other samples that the loss is measured on.
        steps: Those of the paper's rule, whose start is random.

    Returns:
        A row for each variant, those of one choice together.

    Raises:
        PandaError: For a layer that does not exist, numbers below one, and lists without any.
    """
    place = generator.layer(layer)
    layers = [layers] if isinstance(layers, str) else list(layers)
    part_counts, sample_counts = as_counts(parts, "parts"), as_counts(samples, "samples")
    if appearances is None:
        appearances = [max(1, place.channels // share) for share in (8, 2, 1)]
    ranks = as_counts(appearances, "appearances")
    held_out, steps = as_count(held_out, "samples held out"), as_count(steps, "steps")
    count, most = sorted(part_counts)[len(part_counts) // 2], max(sample_counts)
    tests: dict[str, list[Tensor]] = {}

    def test_features(name: str) -> list[Tensor]:
        if name not in tests:
            seeds = evaluation_seeds(held_out)
            tests[name] = list(Features(generator, generator.layer(name), seeds))
        return tests[name]

    def row(choice: str, value: str, make: Callable[[], Factors]) -> AblationRow:
        started = time.process_time()
        factors = make()
        seconds = time.process_time() - started
        features = test_features(factors.layer.name)
        loss = reconstruction_loss(factors.appearances, factors.parts, features)
        return AblationRow(choice, value, loss, area(factors.layer, factors.parts), seconds)

    def fitted(**changes: object) -> Callable[[], Factors]:
        options = {"layer": layer, "parts": count, "seeds": range(most), **changes}
        return lambda: fit(generator, **options)  # type: ignore[arg-type]

    def rows() -> Iterator[AblationRow]:
        for name in layers or (layer,):
            yield row("layer", name, fitted(layer=name))
        for number in part_counts:
            yield row("parts", str(number), fitted(parts=number))
        for number in dict.fromkeys(ranks):
            yield row("appearances", str(number), fitted(appearances=number))
        for number in sample_counts:
            yield row("samples", str(number), fitted(seeds=range(number)))
        yield row("solver", "joint", fitted())
        rate = _learning_rate(test_features(layer))
        rule = fitted(solver="paper", steps=steps, learning_rate=rate)
        yield row("solver", f"paper's rule, {steps} steps", rule)
        started = time.process_time()
        statistics = gather(Features(generator, place, range(most)), most, count)
        sampling = time.process_time() - started
        yield from _random_starts(statistics, place, count, test_features(layer), sampling)
        yield from _orthonormal(statistics, place, count, test_features(layer), sampling)
        yield _refined(fitted()(), test_features(layer))

    return list(rows())


def _learning_rate(features: list[Tensor]) -> float:
    """Return a rate that the paper's rule survives: its steps grow with the features' energy."""
    energy = float(features[0].square().sum((1, 2)).mean())
    return 0.04 / energy


def _random_starts(
    statistics: Statistics, place: Layer, parts: int, features: list[Tensor], sampling: float
) -> Iterator[AblationRow]:
    """Run the joint solver from random parts, as the paper's rule begins.

    ``sampling`` are the CPU seconds that the statistics took.
    """
    for seed in range(RANDOM_STARTS):
        draw = torch.Generator().manual_seed(seed)
        start = torch.rand(place.positions, parts, generator=draw)
        started = time.process_time()
        solution = joint(statistics, place.channels, parts, start)
        seconds = sampling + time.process_time() - started
        loss = reconstruction_loss(solution.appearances, solution.parts, features)
        yield AblationRow(
            "start", f"random, seed {seed}", loss, area(place, solution.parts), seconds
        )


def _orthonormal(
    statistics: Statistics, place: Layer, parts: int, features: list[Tensor], sampling: float
) -> Iterator[AblationRow]:
    """Take an orthonormal A, the identity, and parts of one sign or of any."""
    started = time.process_time()

    def terms(z: Tensor) -> tuple[Tensor]:
        flat = z.flatten(0, 1)
        return (flat.T @ flat,)

    basis = statistics.basis.double().cpu()
    scatter = statistics.sum(terms)[0].double().cpu() / statistics.energy
    sampling += time.process_time() - started
    any_sign = basis @ torch.linalg.eigh(scatter)[1][:, -parts:]
    started = time.process_time()
    one_sign = descend_parts(Quartic(scatter, scatter, basis), any_sign.abs(), 1e-9, 2000)
    solving = time.process_time() - started
    identity = torch.eye(place.channels)
    for value, P, seconds in (
        ("orthonormal", one_sign, solving),
        ("orthonormal, P of any sign", any_sign, 0),
    ):
        loss = reconstruction_loss(identity, P.float(), features)
        yield AblationRow("A", value, loss, area(place, P), sampling + seconds)


def _refined(factors: Factors, features: list[Tensor]) -> AblationRow:
    """Fit parts to each of the held-out samples."""
    started, loss, energy, areas = time.process_time(), 0.0, 0.0, []
    A, shared = (tensor.to(features[0]) for tensor in (factors.appearances, factors.parts))
    for Z in features:
        P = refine_parts(A, shared, Z)
        loss += float((Z - A @ ((A.T @ (Z @ P)) @ P.mT)).square().sum())
        energy += float(Z.square().sum())
        areas += [area(factors.layer, parts) for parts in P]
    seconds = time.process_time() - started
    mean_area = sum(areas) / len(areas)
    return AblationRow("refinement", "parts of each sample", loss / energy, mean_area, seconds)


def conclude(rows: Sequence[AblationRow]) -> str:
    """Return a paragraph of what the figures say."""
    groups = {row.choice: [r for r in rows if r.choice == row.choice] for row in rows}
    sentences = []
    for choice in ("parts", "appearances", "samples"):
        ordered = sorted(groups.get(choice, []), key=lambda row: int(row.value))
        if len(ordered) > 1:
            first, last = ordered[0], ordered[-1]
            sentences.append(
                f"{choice} from {first.value} to {last.value}: loss {first.loss:.4f} to"
                f" {last.loss:.4f}, area of a part {first.area:.3f} to {last.area:.3f}"
            )
    variants = ("solver", "start", "A", "refinement")
    if "solver" in groups:  # whose first one is the joint solver
        joint, *others = (row for choice in variants for row in groups.get(choice, []))
        for row in others:
            word = "less" if row.loss < joint.loss else "more"
            gap = abs(row.loss - joint.loss)
            sentences.append(
                f"{row.choice} {row.value}: {gap:.4f} {word} loss than the joint solver's"
            )
    return ". ".join(text[0].upper() + text[1:] for text in sentences) + "."


def write(rows: Sequence[AblationRow], title: str, out: Path) -> Path:
    """Write ablations.json and a page of tables and plots into a folder; return the page."""
    page = Page(f"Ablations: {title}", conclude(rows))
    for choice in dict.fromkeys(row.choice for row in rows):
        group = [row for row in rows if row.choice == choice]
        page.section(choice, "Loss on samples that no fit has seen, as a share of their energy.")
        page.bars({row.value: row.loss for row in group})
        header = [choice, "loss", "area of a part", "CPU seconds"]
        cells = [
            [row.value, f"{row.loss:.4f}", f"{row.area:.3f}", f"{row.cpu_seconds:.1f}"]
            for row in group
        ]
        page.table(Table(header, cells))
    with staging(out / "ablations.json") as work:
        work.write_text(
            json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8"
        )
    page.save(out / "ablations.html")
    return out / "ablations.html"
