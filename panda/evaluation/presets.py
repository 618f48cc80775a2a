"""Presets: edits by name that are known to work on a generator, made of a benchmark's choices.

Methods are fitted and their best edits chosen as in a comparison at equal effect
(`panda.evaluation.locality`). For each goal the best method's edit becomes a preset, and is tried
on faces that no fit and no choice has seen: at a strength of one it has one unit of the effect.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from panda.directions.changes import Change, LatentChange, StyleChange, WChange, ZChange
from panda.directions.named import find_direction
from panda.editing.detectors import PREFIX
from panda.editing.edit_files import NamedEdit, write_edits
from panda.editing.edits import Edit
from panda.editing.local import DetectedChange, LocalChange
from panda.errors import PandaError
from panda.evaluation.choose import ChosenEdit
from panda.evaluation.choose_effects import pick
from panda.evaluation.locality import choose_all
from panda.evaluation.localized import SAMPLES, parts_of, split_local
from panda.evaluation.measure import measure_all
from panda.evaluation.settings import LocalityBenchmark, label_of
from panda.factorization.factors import Factors
from panda.factorization.usual import usual_place
from panda.files.ownership import check_folder, replacing
from panda.generators.contract import Generator
from panda.generators.latent_spaces import w_space
from panda.methods.catalog import find_method
from panda.methods.parts import PandA, PartChange
from panda.metrics.summary import estimate, mean_and_std, share
from panda.notes import note

WHAT = "presets"

LEAST = 0.8
"""The share of the faces of the trial that have to reach the effect of a preset."""

HOPELESS = 0.5
"""An edit that fewer of the faces of the choice reach is not tried: it is no preset."""

FIRST, TIMES = 20, 3
"""Faces after which edits are first given up, and how many times as many come next."""

FOLDER, FILE = "presets", "edits.json"
"""Where they are in the folder of the benchmark."""


def default_methods(generator: Generator) -> tuple[str, ...]:
    """Return the methods whose edits are tried, all with the parts of one factorization."""
    place, parts = usual_place(generator)
    local = f"local={min(64, min(generator.size) // 2)}"
    return (
        f"panda:layers={place.name}@{parts}:samples={SAMPLES}:appearances=8",
        f"gradient:{local}",
        f"ganspace:components=12:{local}",
        f"sefa:components=12:{local}",
        f"stylespace:probes=16:images=40:{local}",
    )


def make(benchmark: LocalityBenchmark) -> Path:
    """Fit, choose and try what was not before, and write the presets.

    Args:
        benchmark: What `panda.evaluation.locality.prepare` returns, at equal effect.

    Returns:
        The file of the presets, an edit zoo.

    Raises:
        PandaError: Where no edit reaches anything, a method's edits cannot be written as text, or
            the folder cannot be written.
    """
    folder = benchmark.folder.path / FOLDER
    check_folder(folder, WHAT)
    for text in benchmark.settings.methods:
        _check_method(text)
    benchmark.folder.begin()
    best = {
        edit: (label, choice)
        for edit, (label, choice) in pick(choose_all(benchmark)).items()
        if _worth_trying(edit, choice)
    }
    if not best:
        raise PandaError(
            f"no edit of {', '.join(benchmark.settings.labels)} reaches its effect on"
            f" {HOPELESS:.0%} of the faces on which edits are chosen"
        )
    _try(benchmark, best)
    with replacing(folder, WHAT) as work:
        zoo = {
            edit: _preset(benchmark, edit, label, choice, work)
            for edit, (label, choice) in best.items()
            if _works(benchmark, edit, label)
        }
        write_edits(work / FILE, zoo)
    return folder / FILE


def _worth_trying(edit: str, choice: ChosenEdit) -> bool:
    """Return whether enough faces of the choice reach the effect, and say so where they do not."""
    if choice.effect >= HOPELESS:
        return True
    note(f"{edit}: {choice.effect:.0%} of the faces of the choice reach it, so it is not tried")
    return False


def _try(benchmark: LocalityBenchmark, best: Mapping[str, tuple[str, ChosenEdit]]) -> None:
    """Try edits on more and more faces; those that too few of them reach are given up on the way.

    What is given up is below `LEAST` by more than half of the interval of its share of faces.
    """
    for faces in _stages(benchmark.settings.n):
        chosen: dict[str, dict[str, ChosenEdit]] = {}
        for edit, (label, choice) in best.items():
            reached = _reached(benchmark, edit, label)
            if not len(reached) or sum(share(reached)) >= LEAST:
                chosen.setdefault(label, {})[edit] = choice
        if not chosen:
            return
        first = replace(benchmark, settings=replace(benchmark.settings, n=faces))
        measure_all(first, chosen, (1, 1))


def _stages(count: int) -> Iterator[int]:
    """Yield growing numbers of faces, the last of which is ``count``."""
    faces = FIRST
    while faces * TIMES <= count:
        yield faces
        faces *= TIMES
    yield count


def _reached(benchmark: LocalityBenchmark, edit: str, label: str) -> Tensor:
    """Return which faces of the trial reach the effect, ``[N]``."""
    rows = benchmark.folder.rows(label, edit).values()
    return torch.tensor([bool(row["reached"]) for row in rows])


def _works(benchmark: LocalityBenchmark, edit: str, label: str) -> bool:
    """Return whether enough faces of the trial reach the effect, and say so where they do not."""
    reached = _reached(benchmark, edit, label)
    count = int(reached.sum())
    if count >= LEAST * len(reached):
        return True
    note(f"{edit}: {count} of {len(reached)} faces reach it, so it is no preset")
    return False


def _check_method(text: str) -> None:
    """Raise `PandaError` for a method whose edits cannot be written down, before it is fitted."""
    _, name, settings = label_of(text)
    local, others = split_local(settings)
    method = find_method(name, others)
    if isinstance(method, PandA):
        if method.refined or method.focus:
            raise PandaError(
                f"{text}: a preset is an edit of parts as they are; leave out refined and focus"
            )
    elif not local:
        raise PandaError(
            f"{text} changes the whole image, and a preset acts in parts; add where its changes are"
            f" kept, such as {text}:local=64"
        )


def _preset(
    benchmark: LocalityBenchmark, edit: str, label: str, choice: ChosenEdit, folder: Path
) -> NamedEdit:
    """Return a preset with what its trial gave; its direction goes to a file of the folder."""
    generator = benchmark.sampler.generator
    rows = list(benchmark.folder.rows(label, edit).values())
    reached = [row for row in rows if row["reached"]]
    amounts = torch.tensor([row["amount"] for row in reached] or [choice.strength])
    strength = float(amounts.double().median())
    factors, text = _written(generator, choice.change, edit, strength, folder)
    method = choice.name if label in choice.name else f"{label}, {choice.name}"
    return NamedEdit(
        generator=benchmark.settings.generator,
        layer=factors.layer.name,
        appearances=factors.appearances.shape[1],
        parts=factors.parts.shape[1],
        edits=(text,),
        seeds=factors.seeds,
        weights=factors.digest,
        effect=f"{benchmark.goals[edit].words} ({method}): {_trial(rows)}",
    )


def _written(
    generator: Generator, change: Change, name: str, strength: float, folder: Path
) -> tuple[Factors, str]:
    """Return the factors of a change and its text; a direction goes to a file of the folder."""
    if isinstance(change, PartChange):
        amount = float(f"{strength:.4g}")
        edit = Edit(change.edit.parts, change.edit.appearance, amount, sigma=True)
        return change.factors, str(edit)
    if isinstance(change, LocalChange):
        factors, where = change.factors, "+".join(map(str, change.parts))
    elif isinstance(change, DetectedChange):
        # Every edit file says which factors it goes with; these have nothing to say to this edit.
        factors, where = parts_of(generator), f"{PREFIX}{change.detector.region}"
    else:
        raise PandaError(f"a {type(change).__name__} is no edit of parts; make its method local")
    what, strength = _source(generator, change.change, name, strength, folder)
    at = "" if change.layer == factors.layer.name else f"@{change.layer}"
    return factors, f"{where}:{what}:{strength:.4g}{at}"


def _source(
    generator: Generator, change: LatentChange, name: str, strength: float, folder: Path
) -> tuple[str, float]:
    """Return how a change of latents is written in an edit, and its strength there."""
    match change:
        case StyleChange(slot, channel, unit):
            key = f"{slot}.{channel}"
            own = find_direction("stylespace", key, generator, None)
            assert isinstance(own, StyleChange)
            return f"stylespace/{key}", strength * unit / own.unit
        case WChange(direction, start, stop):
            _save(direction, folder / f"{name}.npy")
            count = len(w_space(generator, name).slots)
            last = count if stop is None else min(stop, count)
            slots = "" if (start, last) == (0, count) else f"#{start}-{last - 1}"
            return f"{name}.npy{slots}", strength
        case ZChange(direction):
            _save(direction, folder / f"{name}.npy")
            return f"{name}.npy", strength
    raise PandaError(f"a {type(change).__name__} cannot be written as text")


def _save(direction: Tensor, file: Path) -> None:
    np.save(file, direction.detach().float().cpu().numpy()[None], allow_pickle=False)


def _trial(rows: list[dict[str, float]]) -> str:
    """Return what the trial gave, in words."""
    reach = 100 * sum(row["reached"] for row in rows) / max(1, len(rows))
    figures = [f"on {reach:.0f} % of {len(rows)} faces"]
    for key, words, scale, digits in (
        ("spilled", "change outside", 1000, 1),
        ("identity", "identity", 1, 2),
    ):
        known = [row[key] for row in rows if row.get(key) is not None]
        if known:
            values = torch.tensor(known, dtype=torch.float64)
            mean, half = estimate(values) if len(known) > 1 else mean_and_std(values)
            figures.append(f"{words} {scale * mean:.{digits}f} ± {scale * half:.{digits}f}")
    seen = [row["landmarks"] > 0 for row in rows if row.get("landmarks") is not None]
    if seen:
        figures.append(f"landmarks agree on {100 * sum(seen) / len(seen):.0f} %")
    return ", ".join(figures)
