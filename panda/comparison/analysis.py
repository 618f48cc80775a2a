"""The identical analysis of one generator: samples and depths first, then level by level."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, replace

from torch import Tensor

from panda.checkpoints.tensors import save_tensors
from panda.comparison.background import measure_depths, measure_object_removal
from panda.comparison.changes import measure_changes
from panda.comparison.pictures import draw_background, draw_parts, draw_samples
from panda.comparison.plan import Plan, layer_at
from panda.comparison.results import Analyzed, Level, Part
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
from panda.generators.registry import cards, create_generator, scores
from panda.generators.seeds import evaluation_seeds
from panda.metrics.efficientnet import Classifier
from panda.metrics.faces import OnceParser, are_faces
from panda.metrics.parsing import FaceParser
from panda.metrics.roir import small
from panda.metrics.summary import MeanStd
from panda.naming.matching import image_maps
from panda.naming.names import describe_part

Say = Callable[[str], None]
"""Tells the user how far an entry is, in a few words."""


def load(entry: Entry, device: str) -> Generator:
    """The entry's generator, held to its class where it has one."""
    try:
        generator = create_generator(entry.generator, device=device)
    except DiskError as error:  # of the cache, which other generators may not need
        raise PandaError(str(error)) from error
    return generator if entry.label is None else OneClass(generator, entry.label)


def analyze(entry: Entry, plan: Plan, store: ComparisonFolder, device: str, say: Say) -> None:
    """Do what is not in the store yet; raises `PandaError` where the generator is at fault."""
    if store.done(entry, plan):
        return
    say("load")
    generator = load(entry, device)
    parser, note = _parser(plan, device)
    if not store.has(store.overview(entry)):
        say("samples, and background at every depth")
        overview(entry, generator, plan, store, parser, note)
    if not store.read(entry, plan).faces:
        parser = None
    missing = store.missing(entry, plan)
    for step, level in enumerate(missing, 1):
        layer = layer_at(generator, level)
        assert layer is not None
        say(f"1/{level} of the image, {layer.name} (level {step} of {len(missing)} to do)")
        analyze_level(entry, generator, layer, level, plan, store, parser)


def _parser(plan: Plan, device: str) -> tuple[FaceParser | None, str]:
    """The face parser, or why there is none."""
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
    store: ComparisonFolder,
    parser: FaceParser | None,
    note: str,
) -> None:
    """Samples, whether they are faces, and background at every depth."""
    started = time.perf_counter()
    latents = generator.sample(range(plan.images), truncation=generator.usual_truncation)
    images = generator.forward(latents)
    if parser is not None and not are_faces(parser(small(images))):
        parser = None
    found = measure_depths(generator, plan, parser)
    card = cards().get(entry.generator)
    facts = Analyzed(
        name=entry.name,
        generator=entry.generator,
        label=entry.label,
        architecture=card.architecture if card else type(generator).__name__,
        dataset=card.dataset if card else "unknown",
        resolution=generator.resolution,
        faces=parser is not None,
        depths=found,
        seconds=time.perf_counter() - started,
        absent=tuple(level for level in plan.levels if layer_at(generator, level) is None),
        notes=(note,) if note else (),
    )
    with store.writing(store.overview(entry)) as work:
        draw_samples(work, images)
        write_json(work / FIGURES, asdict(facts))


def analyze_level(
    entry: Entry,
    generator: Generator,
    layer: Layer,
    level: int,
    plan: Plan,
    store: ComparisonFolder,
    parser: FaceParser | None,
) -> None:
    """Fit one layer, and measure parts, appearances, background, localization and removal."""
    started = time.perf_counter()
    journal = store.journal(entry, level)
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
    maps = image_maps(factors.masks, layer)
    changes = measure_changes(generator, factors, state, plan.axes)
    cleared = measure_object_removal(generator, factors, plan, parser)
    concepts, hair, notes = _face_scores(generator, factors, plan, parser)
    added, failed = _added_scores(generator, factors, plan)
    figures = Level(
        level=level,
        layer=layer.name,
        channels=layer.channels,
        size=layer.side,
        loss=factors.loss,
        seconds={**factors.config["seconds"], "all": time.perf_counter() - started},
        parts=tuple(Part(_named(one, parsed), float(one.mean())) for one in maps),
        appearances=changes.appearances,
        removal=cleared,
        localization=concepts,
        hair=hair,
        scores=added,
        notes=(*notes, *failed),
    )
    without = remove(factors, state.x)
    after = generator.tail(state.with_features(without), layer.name)
    with store.writing(store.level(entry, level)) as work:
        _own(factors, entry).save(work / "factors")
        save_tensors(work / MAPS, {"parts": maps, "changes": changes.marks}, {})
        draw_parts(work, images, maps)
        draw_background(work, factors, state.x, images, after)
        for number, picture in enumerate(changes.pictures):
            picture.save(work / f"change-{number}.png")
        write_json(work / FIGURES, asdict(figures))
    forget(journal)


def _named(part: Tensor, parsed: Tensor | None) -> str:
    """What a part's map of the image covers; parts may lie in the margins alone."""
    return describe_part(part, parsed) if float(part.max()) > 0 else "outside the image"


def _own(factors: Factors, entry: Entry) -> Factors:
    """Factors as other verbs take them: of the generator itself, the class in their config."""
    config = {**factors.config, "label": entry.label}
    return replace(factors, generator=entry.generator, config=config)


def _face_scores(
    generator: Generator, factors: Factors, plan: Plan, parser: FaceParser | None
) -> tuple[dict[str, MeanStd], dict[str, MeanStd], list[str]]:
    """Localization and removal of hair, as ``panda benchmark`` measures them, where faces are."""
    if parser is None:
        return {}, {}, []
    notes: list[str] = []
    found = measure_localization(generator, factors, parser, plan.scored, plan.selected)
    concepts = {name: tuple(facts["iou"]) for name, facts in found.items()}
    try:
        classifier = Classifier(generator.device)
    except PandaError as error:
        classifier = None
        notes.append(f"removal without the classifier's figures: {error}")
    try:
        figures = measure_removal(generator, factors, parser, classifier, "hair", plan.scored)
        hair = {k: tuple(v) for k, v in figures.items() if k in ("gone", "stays", "class drop")}
    except PandaError as error:
        hair = {}
        notes.append(f"hair was not removed: {error}")
    return _finite(concepts, notes), _finite(hair, notes), notes


def _finite(figures: dict[str, tuple[float, ...]], notes: list[str]) -> dict[str, MeanStd]:
    """The figures that some sample has; for the others a note."""
    notes += [f"{k}: no sample has it" for k, v in figures.items() if not math.isfinite(v[0])]
    return {k: (v[0], v[1]) for k, v in figures.items() if math.isfinite(v[0])}


def _added_scores(
    generator: Generator, factors: Factors, plan: Plan
) -> tuple[dict[str, float], list[str]]:
    """The scores of plugins; one that fails is a note, and the others are there."""
    found, notes = {}, []
    seeds = evaluation_seeds(plan.scored)
    for name, score in scores().items():
        try:
            value = float(score.measure(generator, factors, seeds))
            if not math.isfinite(value):
                raise PandaError(f"it gave {value}, expected a finite number")
            found[name] = value
        except Exception as error:  # a plugin may fail in any way at all
            notes.append(f"score {name!r} failed: {describe_error(error)}")
    return found, notes
