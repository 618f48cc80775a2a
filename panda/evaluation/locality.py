"""How local are edits? Every method at the same strength on the same faces, image by image.

Fits come first, then each method's best edit is chosen on seeds of their own, then the chosen
edits are measured on others. A benchmark that was stopped resumes, and several processes share the
measuring: each is given its part of the seeds.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import asdict
from pathlib import Path

from panda.directions.changes import Change
from panda.directions.method import Fitted, Method
from panda.editing.detectors import PREFIX
from panda.errors import MachineError, PandaError
from panda.evaluation import choose_effects
from panda.evaluation.choose import ChosenEdit, choose
from panda.evaluation.edits import find_edits
from panda.evaluation.faces import Faces, FaceSampler
from panda.evaluation.localized import find_layer, localizer, split_local
from panda.evaluation.measure import measure_all
from panda.evaluation.settings import LocalityBenchmark, LocalitySettings, label_of
from panda.evaluation.store import DIGEST, PAGES, WHAT, BenchmarkFolder
from panda.evaluation.witnesses import Witnesses
from panda.files.ownership import check_files
from panda.generators.contract import Generator
from panda.generators.seeds import selection_seeds
from panda.methods.catalog import find_method
from panda.methods.published import read_directions
from panda.metrics.fid import InceptionFeatures
from panda.metrics.lpips import LPIPS, NARROWEST
from panda.metrics.parsing import FaceParser
from panda.metrics.regions import PARSED, Boxes
from panda.metrics.roir import SIZE
from panda.notes import note
from panda.shapes import within

SMALLEST = 32
"""Pixels from side to side of the smallest image in which faces are parsed."""


def prepare(
    generator: Generator,
    settings: LocalitySettings,
    out: Path,
    *,
    device: str = "cpu",
    pictures: int = 4,
) -> LocalityBenchmark:
    """Check settings, and load what the benchmark needs.

    Faces are parsed where the generator makes any: without a parser (``settings.parse`` 0) regions
    are boxes, and an edit is chosen by its locality alone.

    Args:
        generator: The generator that ``settings.generator`` names.
        settings: What is compared.
        out: The folder of results; a benchmark of the same settings resumes in it.
        device: Where the networks of the measures run.
        pictures: The number of faces whose edited images are saved.

    Raises:
        PandaError: For an unknown edit or method, or a folder of other settings.
    """
    goals = find_edits(settings.edits)
    labels = set()
    for text in settings.methods:
        label, name, options = label_of(text)
        local, others = split_local(options)
        find_method(name, others)
        if local:
            find_layer(generator, local)
        if label in labels:
            raise PandaError(f"two methods are called {label!r}; give one a label of its own")
        labels.add(label)
    for text in settings.published:
        if text.partition("=")[0] not in labels:
            raise PandaError(f"{text!r}: no method of that label is compared")
        read_directions([Path(text.partition("=")[2])], generator)
    if settings.n < 1 or settings.select < 1 or not 0 < settings.target < 2:
        raise PandaError(
            "expected at least one image, one face to select on and a target in (0, 2)"
        )
    if settings.shortlist < 1 or not (settings.parse == 0 or settings.parse >= SMALLEST):
        raise PandaError(
            f"a shortlist of {settings.shortlist} edits and faces of {settings.parse} pixels were"
            f" given, expected at least one edit and at least {SMALLEST} pixels"
        )
    if settings.equal not in ("change", "effect"):
        raise PandaError(f"{settings.equal!r:.60}, expected 'change' or 'effect' as what is equal")
    if settings.equal == "effect" and not settings.parse:
        raise PandaError("effects are measured on parsed faces; compare edits at equal change")
    known = Boxes().names if settings.boxes or not settings.parse else tuple(PARSED)
    for edit, goal in goals.items():
        if goal.region not in known:
            raise PandaError(f"{edit} acts in {goal.region}, for which there is no box")
    # More images and more methods may follow; what was measured stays as it is.
    growing = "n", "methods", "published"
    fixed = {key: value for key, value in asdict(settings).items() if key not in growing}
    check_files(out, WHAT, PAGES)
    folder = BenchmarkFolder(out, {**fixed, DIGEST: generator.digest})
    parser = FaceParser(device) if settings.parse else None
    boxes = settings.boxes or not settings.parse
    return LocalityBenchmark(
        settings,
        FaceSampler(generator, parser, boxes, parse_size=settings.parse),
        folder,
        _distance(generator, device),
        InceptionFeatures(device) if settings.effects else None,
        Witnesses(device) if settings.equal == "effect" else None,
        pictures,
        goals,
    )


def _distance(generator: Generator, device: str) -> LPIPS | None:
    """Return LPIPS; None where images are so small or narrow that it says little or nothing."""
    narrow = min(within(generator.size, SIZE)) < NARROWEST
    return None if narrow or min(generator.size) < 64 else LPIPS(device)


def run(benchmark: LocalityBenchmark, part: tuple[int, int] = (1, 1)) -> bool:
    """Fit and choose what was not before, and measure what was not before.

    Args:
        benchmark: What `prepare` returns.
        part: K of N processes; each measures every Nth batch of seeds.

    Returns:
        Whether all figures of all processes are measured.

    Raises:
        PandaError: Where the folder has other settings or is damaged, or the disk is full.
    """
    folder = benchmark.folder
    folder.begin()
    try:
        measure_all(benchmark, choose_all(benchmark, part), part)
    except Exception:  # of a backend, too
        folder.withdraw(benchmark.settings.labels)
        raise
    return missing(benchmark) == 0


def choose_all(
    benchmark: LocalityBenchmark, part: tuple[int, int] = (1, 1)
) -> dict[str, dict[str, ChosenEdit]]:
    """Fit the methods that were not fitted before, and return the chosen edits of all.

    Args:
        benchmark: What `prepare` returns.
        part: K of N processes; they begin with different methods.

    Returns:
        The chosen edits by label and goal.

    Raises:
        PandaError: Where the folder has a method of that label with other settings.
    """
    texts, folder = benchmark.settings.methods, benchmark.folder
    first = (part[0] - 1) * len(texts) // part[1]
    for text in (*texts[first:], *texts[:first]):
        label, _, _ = label_of(text)
        with folder.lock(label):
            if folder.load_choices(label) is None:
                _fit_and_choose(benchmark, text)
    chosen = {}
    for text in texts:
        label, _, _ = label_of(text)
        loaded = folder.load_choices(label)
        assert loaded is not None
        choices, fit = loaded
        if fit["method"] != [text, _contents(benchmark, label)]:
            raise PandaError(f"{folder.path} has {label!r} with other settings; rename one")
        chosen[label] = choices
    return chosen


def _fit_and_choose(benchmark: LocalityBenchmark, text: str) -> None:
    """Fit one method and save its best edits; of one that cannot run, save the reason."""
    label, name, options = label_of(text)
    local, options = split_local(options)
    settings, sampler, folder = benchmark.settings, benchmark.sampler, benchmark.folder
    given = [text, _contents(benchmark, label)]
    method = find_method(name, options)
    try:
        fitted, costs = _fit(benchmark, method)
    except MachineError:
        raise
    except PandaError as error:
        note(f"{label}: {error}")
        folder.save_choices(label, {}, {"method": given, "reason": str(error)})
        return
    fit = {
        "method": given,
        "supervised": method.supervised or local.startswith(PREFIX),
        "settings": dict(fitted.settings),
        "edits": len(fitted.changes),
        "device": sampler.generator.device.type,
        **costs,
    }
    aims = {name: aim for name in fitted.changes if (aim := method.aim(name)) is not None}
    wanted = {None, *(goal.measure for goal in benchmark.goals.values())}
    changes = {name: change for name, change in fitted.changes.items() if aims.get(name) in wanted}
    changes |= _published(benchmark, label)
    faces = _selection_faces(benchmark)
    keep = localizer(sampler.generator, local, faces) if local else None
    goals, shortlist = benchmark.goals, settings.shortlist
    if settings.equal == "effect":
        key = (name, *options, *given[1])
        if key not in benchmark.screened:
            benchmark.screened.clear()  # the next one is of the same method, or none is
            benchmark.screened[key] = choose_effects.screen(sampler, changes, faces)
        screened = benchmark.screened[key]
        choices = choose_effects.choose(sampler, changes, goals, faces, shortlist, keep, screened)
    else:
        choices = choose(sampler, changes, goals, faces, settings.target, shortlist, keep, aims)
    folder.save_choices(label, choices, fit)
    for purpose, choice in choices.items():
        note(
            f"{label} {purpose}: {choice.name} at {choice.strength:+.2f},"
            f" {'ROIR' if settings.equal == 'change' else 'change outside'} {choice.score:.3f},"
            f" {'effect' if settings.equal == 'change' else 'reach'} {choice.effect:.2f}"
        )


def _fit(benchmark: LocalityBenchmark, method: Method) -> tuple[Fitted, dict[str, float]]:
    """Fit a method, or return the last fit if it was of the same one; and its seconds."""
    if method not in benchmark.fitted:
        started, cpu = time.perf_counter(), time.process_time()
        fitted = method.fit(benchmark.sampler.generator, benchmark.sampler.regions)
        costs = {
            "seconds": round(time.perf_counter() - started, 2),
            "cpu_seconds": round(time.process_time() - cpu, 2),
        }
        benchmark.fitted.clear()
        benchmark.fitted[method] = fitted, costs
    return benchmark.fitted[method]


def _selection_faces(benchmark: LocalityBenchmark) -> Faces:
    """Return faces to choose on that have all regions; raise `PandaError` where there are none."""
    count, batch, regions = benchmark.settings.select, benchmark.batch, benchmark.regions
    seeds = selection_seeds(2 * count)
    batches = [seeds[first : first + batch] for first in range(0, len(seeds), batch)]
    faces = Faces.concatenate([benchmark.sampler.sample(batch) for batch in batches])
    if 2 * int(faces.seen.sum()) < len(faces):
        remedy = "leave out face parsing with --no-faces"
        if benchmark.settings.equal == "effect":  # which is parsed
            remedy = "effects are measured on faces alone, seen better with a larger --parse-size"
        raise PandaError(
            f"{int(faces.seen.sum())} of {len(faces)} samples of {benchmark.sampler.generator.name}"
            f" are faces, as parsed at {benchmark.settings.parse} pixels; {remedy}"
        )
    faces = faces.take(faces.have(regions).nonzero()[:count, 0])
    if not len(faces):
        raise PandaError(f"no face to select on has {', '.join(regions)}; take boxes for regions")
    return faces


def _published(benchmark: LocalityBenchmark, label: str) -> dict[str, Change]:
    files = [Path(file) for file in _files(benchmark, label)]
    return dict(read_directions(files, benchmark.sampler.generator)) if files else {}


def _files(benchmark: LocalityBenchmark, label: str) -> list[str]:
    pairs = [text.partition("=") for text in benchmark.settings.published]
    return [file for method, _, file in pairs if method == label]


def _contents(benchmark: LocalityBenchmark, label: str) -> list[str]:
    """Return the direction files of a method, each with the sha256 of what is in it."""
    return [
        f"{file} {hashlib.sha256(Path(file).read_bytes()).hexdigest()}"
        for file in _files(benchmark, label)
    ]


def missing(benchmark: LocalityBenchmark) -> int:
    """Return how many rows are still to be measured by all processes."""
    count = 0
    for label in benchmark.settings.labels:
        loaded = benchmark.folder.load_choices(label)
        for edit in loaded[0] if loaded else benchmark.goals:
            count += benchmark.settings.n - len(benchmark.folder.rows(label, edit))
    return count
