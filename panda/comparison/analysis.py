"""The identical analysis of one generator: samples and depths first, then level by level."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict

import torch
from torch import Tensor

from panda.checkpoints.digest import weights_digest
from panda.checkpoints.read import read_checkpoint
from panda.checkpoints.tensors import save_tensors
from panda.comparison.background import measure_depths, measure_object_removal
from panda.comparison.changes import measure_changes
from panda.comparison.pictures import draw_background, draw_parts, draw_samples
from panda.comparison.plan import Plan, layer_at
from panda.comparison.results import GeneratorResult, Level, Localized, Part
from panda.comparison.store import FIGURES, MAPS, ComparisonFolder, write_json
from panda.editing.remove import remove
from panda.errors import DiskError, PandaError, describe_error
from panda.evaluation.localization import measure_localization
from panda.evaluation.removal import measure_removal
from panda.factorization.factors import Factors
from panda.factorization.fit import fit
from panda.factorization.journal import forget
from panda.generators.contract import Generator, Layer
from panda.generators.entries import Entry
from panda.generators.one_class import OneClass
from panda.generators.registry import (
    create_generator,
    is_file,
    known_card,
    refer,
    scores,
)
from panda.generators.seeds import evaluation_seeds, selection_seeds
from panda.metrics.efficientnet import Classifier
from panda.metrics.faces import OnceParser, enough_faces, show_face
from panda.metrics.parsing import FaceParser
from panda.metrics.roir import small
from panda.metrics.summary import Estimate
from panda.naming.matching import image_maps
from panda.naming.names import describe_part

Report = Callable[[str], None]
"""Called with each step of an entry, in a few words."""


def load(entry: Entry, device: str) -> Generator:
    """Return the entry's generator, held to its class where it has one."""
    try:
        generator = create_generator(entry.generator, device=device)
    except DiskError as error:  # of the cache, which other generators may not need
        raise PandaError(str(error)) from error
    return generator if entry.label is None else OneClass(generator, entry.label)


def check_classes(entries: Iterable[Entry]) -> None:
    """Raise `PandaError` for entries of a class that their generator does not have.

    What fails in any other way is left to `analyze`, and does not keep the others from being done.
    """
    known: dict[str, Generator] = {}
    for entry in entries:
        if entry.label is None:
            continue
        try:
            if entry.generator not in known:
                known[entry.generator] = load(Entry(entry.generator), "cpu")
        except Exception:  # a backend may fail in any way at all
            continue
        try:
            OneClass(known[entry.generator], entry.label)
        except PandaError as error:
            raise PandaError(f"{entry.name} cannot be compared: {error}") from error


def analyze(
    entry: Entry, plan: Plan, folder: ComparisonFolder, device: str, report: Report
) -> None:
    """Measure of an entry what the folder does not have yet.

    Raises:
        PandaError: Where the generator is at fault, or the folder's files are damaged.
    """
    if folder.done(entry, plan):
        if is_file(entry.generator):
            _check_weights(entry, plan, folder, _digest_of_file(entry.generator))
        return
    report("load")
    generator = load(entry, device)
    if folder.has(folder.overview(entry)):
        _check_weights(entry, plan, folder, generator.digest)
    parser, note = _parser(plan, device)
    if not folder.has(folder.overview(entry)):
        report("samples, and background at every depth")
        overview(entry, generator, plan, folder, parser, note)
    if not folder.read(entry, plan).faces:
        parser = None
    missing = folder.missing(entry, plan)
    for step, level in enumerate(missing, 1):
        layer = layer_at(generator, level)
        assert layer is not None
        report(f"1/{level} of the image, {layer.name} (level {step} of {len(missing)} to do)")
        analyze_level(entry, generator, layer, level, plan, folder, parser)


def _digest_of_file(generator: str) -> str:
    return weights_digest(read_checkpoint(refer(generator).name))


def _check_weights(entry: Entry, plan: Plan, folder: ComparisonFolder, digest: str) -> None:
    """Raise `PandaError` where an entry's results are of other weights."""
    before = folder.read(entry, plan).weights_sha256
    if before and digest and before != digest:
        raise PandaError(
            f"{folder.overview(entry).parent} has results of weights of sha256 {before[:16]}...,"
            f" but those of {entry.generator} are {digest[:16]}...; delete it to have them made"
            " again, or choose another folder"
        )


def _parser(plan: Plan, device: str) -> tuple[FaceParser | None, str]:
    """Return the face parser, or None and why."""
    if not plan.faces:
        return None, ""
    try:
        return OnceParser(plan.parse_size, device), ""
    except PandaError as error:
        return None, f"faces were not parsed: {error}"


def overview(
    entry: Entry,
    generator: Generator,
    plan: Plan,
    folder: ComparisonFolder,
    parser: FaceParser | None,
    note: str,
) -> None:
    """Write samples, whether they are faces, and background at every depth."""
    started = time.perf_counter()
    latents = generator.sample(range(plan.images), truncation=generator.usual_truncation)
    images = generator.forward(latents)
    shown = None if parser is None else _shown(generator, plan, parser)
    if shown is not None and not enough_faces(shown):
        parser = shown = None
    depths = measure_depths(generator, plan, parser)
    card = known_card(entry.generator)
    result = GeneratorResult(
        name=entry.name,
        generator=entry.generator,
        label=entry.label,
        architecture=card.architecture if card else type(generator).__name__,
        dataset=card.dataset if card else "unknown",
        size=generator.size,
        faces=parser is not None,
        whole=None if shown is None else float(shown.float().mean()),
        depths=depths,
        seconds=time.perf_counter() - started,
        absent=tuple(level for level in plan.levels if layer_at(generator, level) is None),
        notes=(note,) if note else (),
        weights_sha256=generator.digest,
        channels=generator.channels,
    )
    with folder.writing(folder.overview(entry)) as work:
        draw_samples(work, images)
        write_json(work / FIGURES, asdict(result))


def _shown(generator: Generator, plan: Plan, parser: FaceParser) -> Tensor:
    """Return which of the samples to select on show a whole face, ``[N]`` bool."""
    psi = generator.usual_truncation
    latents = generator.sample(selection_seeds(plan.selected), truncation=psi)
    return torch.cat([show_face(parser(small(generator.forward(one)))) for one in latents])


def analyze_level(
    entry: Entry,
    generator: Generator,
    layer: Layer,
    level: int,
    plan: Plan,
    folder: ComparisonFolder,
    parser: FaceParser | None,
) -> None:
    """Fit one layer, and measure parts, appearances, background, localization and removal."""
    started = time.perf_counter()
    journal = folder.journal(entry, level)
    factors = fit(
        generator,
        layer.name,
        parts=min(plan.parts, layer.positions),
        seeds=range(plan.samples),
        resume=journal,
    )
    latents = generator.sample(range(plan.images), truncation=generator.usual_truncation)
    state = generator.head(latents, layer.name)
    images = generator.tail(state, layer.name)
    parsed = None if parser is None else parser(small(images))
    maps = image_maps(factors.masks)
    changes = measure_changes(generator, factors, state, plan.axes)
    removal = measure_object_removal(generator, factors, plan, parser)
    concepts, hair, notes = _face_scores(generator, factors, plan, parser)
    added, failed = _plugin_scores(generator, factors, plan)
    figures = Level(
        level=level,
        layer=layer.name,
        channels=layer.channels,
        size=layer.side,
        loss=factors.loss,
        seconds={**factors.config["seconds"], "all": time.perf_counter() - started},
        parts=tuple(Part(describe_part(part, parsed), float(part.mean())) for part in maps),
        appearances=changes.appearances,
        removal=removal,
        localization=concepts,
        hair=hair,
        scores=added,
        notes=(*([] if factors.has_background else [factors.no_background]), *notes, *failed),
    )
    with folder.writing(folder.level(entry, level)) as work:
        factors.save(work / "factors")
        save_tensors(work / MAPS, {"parts": maps, "changes": changes.marks}, {})
        draw_parts(work, images, maps)
        if factors.has_background:
            without = remove(factors, state.x)
            after = generator.tail(state.with_features(without), layer.name)
            draw_background(work, factors, state.x, images, after)
        for number, picture in enumerate(changes.pictures):
            picture.save(work / f"change-{number}.png")
        write_json(work / FIGURES, asdict(figures))
    forget(journal)


def _face_scores(
    generator: Generator, factors: Factors, plan: Plan, parser: FaceParser | None
) -> tuple[dict[str, Localized], dict[str, Estimate], list[str]]:
    """Measure localization and the removal of hair, as ``panda benchmark`` does, and take notes."""
    if parser is None:
        return {}, {}, []
    notes: list[str] = []
    concepts = {}
    try:
        for name, facts in measure_localization(
            generator, [factors], parser, plan.scored, plan.selected
        ).items():
            if math.isfinite(facts["iou"][0]):
                del facts["n"]
                concepts[name] = Localized(**facts)
            else:
                notes.append(f"{name}: no sample has it")
    except PandaError as error:  # of a generator whose samples are barely faces
        notes.append(f"concepts were not localized: {error}")
    try:
        classifier = Classifier(generator.device)
    except PandaError as error:
        classifier = None
        notes.append(f"removal without the classifier's figures: {error}")
    try:
        figures = measure_removal(generator, [factors], parser, classifier, "hair", plan.scored)
        hair = {k: tuple(v) for k, v in figures.items() if k not in ("what", "parts", "n")}
    except PandaError as error:
        hair = {}
        notes.append(f"hair was not removed: {error}")
    return concepts, _finite(hair, notes), notes


def _finite(figures: dict[str, tuple[float, ...]], notes: list[str]) -> dict[str, Estimate]:
    """Return the figures that some sample has, and add a note for each of the others."""
    notes += [f"{k}: no sample has it" for k, v in figures.items() if not math.isfinite(v[0])]
    return {k: (v[0], v[1]) for k, v in figures.items() if math.isfinite(v[0])}


def _plugin_scores(
    generator: Generator, factors: Factors, plan: Plan
) -> tuple[dict[str, float], list[str]]:
    """Measure the scores of plugins; one that fails becomes a note."""
    values, notes = {}, []
    seeds = evaluation_seeds(plan.scored)
    for name, score in scores().items():
        try:
            value = float(score.measure(generator, factors, seeds))
            if not math.isfinite(value):
                raise PandaError(f"it gave {value}, expected a finite number")
            values[name] = value
        except Exception as error:  # a plugin may fail in any way at all
            notes.append(f"score {name!r} failed: {describe_error(error)}")
    return values, notes
