"""Parts by meaning: how well they are the classes that face parsing sees, one part for each class.

Samples are parsed once. At each layer, the parts of every fit and their controls are matched with
the classes on some samples (`panda.metrics.meaning`), and scored on others.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from panda.checkpoints.tensors import load_tensors, save_tensors
from panda.errors import PandaError
from panda.evaluation.classes import ClassMaps, parse_classes
from panda.evaluation.divisions import CONTROLS, KINDS, Division, divisions
from panda.evaluation.parsed import BATCH
from panda.evaluation.part_scores import (
    SCORES,
    DivisionScore,
    fixed,
    read_scores,
    score_division,
    segments,
)
from panda.evaluation.store import DIGEST, PLAN, BenchmarkFolder
from panda.factorization.features import Features
from panda.factorization.statistics import gather
from panda.files.locks import hold_folder
from panda.files.ownership import check_files, replacing, withdraw
from panda.files.writing import missing_parents
from panda.generators.contract import Generator, Layer
from panda.generators.seeds import (
    Seeds,
    as_count,
    as_counts,
    as_seeds,
    evaluation_seeds,
    selection_seeds,
)
from panda.metrics.meaning import Overlap, overlap
from panda.metrics.parsing import FaceParser
from panda.notes import note
from panda.progress import bar

WHAT = "a benchmark of parts"
PAGES = ("results.json", "results.md", "rows.csv", "overview.png", "report.html")
"""What is written again each time, from all scores."""

SIDES = (8, 16, 32, 64)
"""Positions a side of the layers that are compared."""

COUNTS = (2, 4, 8, 16, 32)
"""Numbers of parts that are compared."""

LAYERS, PARSED, MASKS = "layers", "parsed", "masks.safetensors"


@dataclass(frozen=True)
class PartsSettings:
    """What all figures depend on.

    Attributes:
        generator: Its name or file.
        layers: Names of layers.
        parts: Numbers of parts.
        samples: Samples of each fit: the seeds from 0 on.
        n: The number of images that parts are scored on.
        select: The number of other images on which parts and classes are matched.
    """

    generator: str
    layers: tuple[str, ...]
    parts: tuple[int, ...]
    samples: int
    n: int
    select: int


@dataclass(frozen=True, eq=False)
class PartsBenchmark:
    """Settings with what is needed to work on them."""

    generator: Generator
    settings: PartsSettings
    out: Path
    folder: BenchmarkFolder


def usual_layers(generator: Generator) -> list[str]:
    """Return the layers nearest to `SIDES`, none that is half as large or twice as large."""
    near = [(generator.layer_near(side), side) for side in SIDES]
    close = (layer.name for layer, side in near if side / 2 < layer.side < 2 * side)
    return list(dict.fromkeys(close))


def prepare(
    generator: Generator,
    out: Path,
    *,
    name: str,
    layers: str | Sequence[str] = (),
    parts: Seeds = COUNTS,
    samples: int = 300,
    n: int = 100,
    select: int = 50,
) -> PartsBenchmark:
    """Check settings; the same ones resume in the folder.

    Args:
        generator: What is measured.
        out: The folder of results.
        name: The name or file of the generator.
        layers: Names of layers; by default `usual_layers`.
        parts: Numbers of parts.
        samples: See `PartsSettings`.
        n: Likewise.
        select: Likewise.

    Raises:
        PandaError: For layers that do not exist, numbers out of range, and a folder of other
            settings or results.
    """
    names = [layers] if isinstance(layers, str) else list(layers)
    places = [generator.layer(layer) for layer in names or usual_layers(generator)]
    counts = as_counts(parts, "parts")
    least = min(places, key=lambda place: place.positions)
    if max(counts) > least.positions:
        raise PandaError(
            f"{max(counts)} parts were asked for, but {least.name} of {generator.name} has"
            f" {least.positions} positions; ask for fewer parts, or for other layers"
        )
    settings = PartsSettings(
        name,
        tuple(dict.fromkeys(place.name for place in places)),
        tuple(dict.fromkeys(counts)),
        as_count(samples, "samples"),
        as_count(n, "images"),
        as_count(select, "images to match on"),
    )
    check_files(out, WHAT, PAGES)
    facts = json.loads(json.dumps(asdict(settings)))
    folder = BenchmarkFolder(out, {"kind": "parts", **facts, DIGEST: generator.digest})
    return PartsBenchmark(generator, settings, out, folder)


def run(benchmark: PartsBenchmark, parser: FaceParser) -> None:
    """Parse the samples and score every layer, unless an earlier run has done so.

    Raises:
        PandaError: Where the samples are no faces, or a file of the folder is damaged.
    """
    made = missing_parents(benchmark.out / PLAN)
    benchmark.folder.begin()
    try:
        with hold_folder(benchmark.out):
            selection, evaluation = _parsed(benchmark, parser)
            for name in benchmark.settings.layers:
                if not (_layer_folder(benchmark, name) / SCORES).is_file():
                    _score_layer(benchmark, name, selection, evaluation)
    except Exception:  # of a backend, too
        withdraw(benchmark.out, (PLAN, ".lock"), (LAYERS, PARSED), made)
        raise


def _parsed(benchmark: PartsBenchmark, parser: FaceParser) -> tuple[ClassMaps, ClassMaps]:
    """Return the classes of both sets of samples; parse them where the folder has none yet."""
    folder = benchmark.out / PARSED
    if not (folder / MASKS).is_file():
        seeds = _seeds(benchmark.settings)
        both = {name: parse_classes(benchmark.generator, parser, of) for name, of in seeds.items()}
        with replacing(folder, "parsed samples") as work:
            tensors = {name: classes.parsed for name, classes in both.items()}
            pixels = both["evaluation"].images.add(1).mul(127.5).round().to(torch.uint8)
            save_tensors(work / MASKS, {**tensors, "images": pixels}, {})
    return classes_of(benchmark)


def classes_of(benchmark: PartsBenchmark) -> tuple[ClassMaps, ClassMaps]:
    """Return the classes of the samples to match on, and of those to score on.

    Raises:
        PandaError: Where they are damaged.
    """
    folder = benchmark.out / PARSED
    tensors = load_tensors(folder / MASKS, remedy := f"delete {folder} to have it made again")
    settings = benchmark.settings
    counts = {"selection": settings.select, "evaluation": settings.n}
    if any(tensors.get(name, torch.empty(0)).shape[:1] != (k,) for name, k in counts.items()):
        raise PandaError(f"{folder} has other samples than the settings; {remedy}")
    images = tensors["images"].float().div(127.5).sub(1)
    first, second = (ClassMaps(tensors[name], images) for name in counts)
    if not first.common:
        raise PandaError("hardly any sample has a class that is parsed, so parts have no meaning")
    return first, second


def _seeds(settings: PartsSettings) -> dict[str, range]:
    return {
        "selection": selection_seeds(settings.select),
        "evaluation": evaluation_seeds(settings.n),
    }


def _layer_folder(benchmark: PartsBenchmark, layer: str) -> Path:
    place = list(benchmark.generator.layers).index(layer)
    return benchmark.out / LAYERS / f"{place:02}"


def _score_layer(
    benchmark: PartsBenchmark, name: str, selection: ClassMaps, evaluation: ClassMaps
) -> None:
    """Divide a layer in every way, score each, and write scores and masks."""
    settings, generator = benchmark.settings, benchmark.generator
    layer = generator.layer(name)
    features = Features(generator, layer, range(settings.samples))
    statistics = gather(features, settings.samples, max(settings.parts))
    made: list[Division] = []
    for division in divisions(statistics, layer, settings.parts):
        if isinstance(division, PandaError):
            note(f"{name}: {division}")
        else:
            made.append(division)
    seeds = _seeds(settings)
    chosen, scored = (
        _overlaps(generator, layer, made, seeds[which], classes)
        for which, classes in (("selection", selection), ("evaluation", evaluation))
    )
    masks = {}
    with replacing(_layer_folder(benchmark, name), "scores of a layer") as work:
        rows = []
        for number, division in enumerate(made):
            row = score_division(
                division.kind, chosen[number], scored[number], selection, evaluation
            )
            row = replace(row, layer=name, side=layer.side, count=division.count)
            rows.append(replace(row, loss=division.loss, stability=division.stability))
            if division.kind not in ("refined", "balanced, refined"):
                few = division.masks(torch.empty(0))[0]
                masks[mask_name(rows[-1])] = few.mul(255).round().to(torch.uint8).cpu()
        save_tensors(work / MASKS, masks, {})
        content = json.dumps({"scores": [asdict(row) for row in rows]}, indent=1) + "\n"
        (work / SCORES).write_text(content, encoding="utf-8")


def mask_name(row: DivisionScore) -> str:
    """Return what the masks ``[R, h, w]`` of a division, before refinement, are called."""
    kind = {"refined": "parts", "balanced, refined": "balanced"}.get(row.kind, row.kind)
    return f"{kind} {row.count}"


def _overlaps(
    generator: Generator,
    layer: Layer,
    made: Sequence[Division],
    seeds: Seeds,
    classes: ClassMaps,
) -> list[Overlap]:
    """Return the overlap of every division with the classes of all samples."""
    seeds = as_seeds(seeds)
    batches: list[list[Overlap]] = [[] for _ in made]
    with bar(total=len(seeds), desc=f"score {layer.name}", unit="img") as progress:
        for start in range(0, len(seeds), BATCH):
            rows = slice(start, start + BATCH)
            latents = generator.sample(seeds[rows], truncation=generator.usual_truncation)
            x = generator.head(latents, layer.name).x.float()
            truth = classes.maps[rows].to(x.device)
            for of, division in zip(batches, made, strict=True):
                of.append(overlap(division.masks(x), truth))
            progress.update(len(x))
    return [
        Overlap(torch.cat([b.purity for b in of]).cpu(), torch.cat([b.coverage for b in of]).cpu())
        for of in batches
    ]


def scores(benchmark: PartsBenchmark) -> list[DivisionScore]:
    """Return all scores so far: of the best fixed masks, and then layer by layer.

    Raises:
        PandaError: Where a file is damaged.
    """
    classes = classes_of(benchmark)
    rows = [fixed(*classes)]
    for name in benchmark.settings.layers:
        folder = _layer_folder(benchmark, name)
        if (folder / SCORES).is_file():
            known = list(read_scores(folder))
            rows += known
            for row in known:
                if row.kind in (KINDS[0], *CONTROLS):
                    rows += segments(row, masks_of(benchmark, row), *classes)
    return rows


def masks_of(benchmark: PartsBenchmark, row: DivisionScore) -> Tensor:
    """Return the masks of a division in all images, ``[R, h, w]`` in [0, 1]."""
    folder = _layer_folder(benchmark, row.layer)
    remedy = f"delete {folder} to have it made again"
    masks = load_tensors(folder / MASKS, remedy).get(mask_name(row))
    if masks is None:
        raise PandaError(f"{folder / MASKS} lacks {mask_name(row)}; {remedy}")
    return masks.float() / 255
