"""The chosen edits of all methods, and the controls, in figures for every face."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from panda.directions.changes import Render
from panda.evaluation.choose import ChosenEdit
from panda.evaluation.choose_effects import bring
from panda.evaluation.controls import brightness
from panda.evaluation.edits import EditGoal
from panda.evaluation.faces import Faces
from panda.evaluation.settings import LocalityBenchmark
from panda.evaluation.witnesses import Seen, compare
from panda.files.writing import sweep
from panda.generators.seeds import EVALUATION
from panda.images import save_picture, to_picture
from panda.metrics.lpips import localization, outside
from panda.metrics.matching import match
from panda.metrics.roir import composite, measure
from panda.progress import bar


def measure_all(
    benchmark: LocalityBenchmark,
    chosen: Mapping[str, Mapping[str, ChosenEdit]],
    part: tuple[int, int],
) -> None:
    """Measure the chosen edits, by label and goal, on the faces of one part, K of N."""
    index, count = part
    process = f"{index}-of-{count}"
    settings, folder = benchmark.settings, benchmark.folder
    features = benchmark.features
    done = {
        (label, edit): set(folder.rows(label, edit))
        for label in (*chosen, *settings.controls)
        for edit in benchmark.goals
    }
    wanted = {(label, edit) for label, choices in chosen.items() for edit in choices}
    wanted |= {(control, edit) for control in settings.controls for _, edit in wanted}
    unedited = folder.features("before") if features else {}
    with bar(total=settings.n, desc="measure", unit="img") as progress:
        batches = benchmark.sampler.sample_whole(
            EVALUATION, settings.n, benchmark.regions, benchmark.batch
        )
        for number, faces in enumerate(batches):
            progress.update(len(faces))
            if number % count != index - 1:
                continue
            seeds = faces.latents.seeds
            if all(done[each] >= set(seeds) for each in wanted):
                continue
            if features and not set(seeds) <= set(unedited):
                folder.add_features("before", process, seeds, features(faces.before))
            seen = benchmark.witnesses.look(faces.before) if benchmark.witnesses else None
            for edit, goal in benchmark.goals.items():
                for label, (render, start) in _renders(benchmark, chosen, faces, edit).items():
                    if done[label, edit] >= set(seeds):
                        continue
                    rows, images = _measure(benchmark, faces, seen, goal, label, render, start)
                    if features:
                        folder.add_features(f"{label}/{edit}", process, seeds, features(images))
                    if number * benchmark.batch < benchmark.pictures:
                        _save_pictures(benchmark, faces, edit, label, images)
                    folder.add_rows(label, edit, process, rows)


def _renders(
    benchmark: LocalityBenchmark,
    chosen: Mapping[str, Mapping[str, ChosenEdit]],
    faces: Faces,
    edit: str,
) -> dict[str, tuple[Render, float]]:
    """Return by label what renders an edit of these faces, and the strength to begin with."""
    generator = benchmark.sampler.generator
    renders: dict[str, tuple[Render, float]] = {}
    for label, choices in chosen.items():
        if edit in choices:
            choice = choices[edit]
            renders[label] = choice.change.start(generator, faces.latents), choice.strength
    if renders and benchmark.settings.controls:
        # Whatever is pasted through the mask has ratio 0: the first method's edit will do.
        renders["pasted"] = next(iter(renders.values()))
        renders["brightness"] = brightness(faces.before), benchmark.settings.target
    return renders


def _measure(
    benchmark: LocalityBenchmark,
    faces: Faces,
    seen: Seen | None,
    goal: EditGoal,
    label: str,
    render: Render,
    start: float,
) -> tuple[list[dict[str, Any]], Tensor]:
    """Return a row of figures for each face, and the edited images."""
    cpu = time.process_time()
    calls = 0

    def counted(strengths: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return render(strengths)

    if seen is None:
        images, figures = _at_equal_change(benchmark, faces, goal, label, counted, start)
    else:
        images, figures = _at_equal_effect(benchmark, faces, seen, goal, counted, start)
    seconds = (time.process_time() - cpu) / calls / len(faces)
    columns = {
        name: [value if math.isfinite(value) else None for value in values.double().tolist()]
        for name, values in figures.items()
    }
    rows = [
        {"seed": seed, "seconds": seconds, **{name: row[i] for name, row in columns.items()}}
        for i, seed in enumerate(faces.latents.seeds)
    ]
    return rows, images


def _at_equal_change(
    benchmark: LocalityBenchmark,
    faces: Faces,
    goal: EditGoal,
    label: str,
    render: Render,
    start: float,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return images that change equally inside their region, and what is measured of them."""
    settings, region = benchmark.settings, faces.regions[goal.region]
    edited = match(render, faces.before, region, settings.target, start=start)
    images = edited.images
    if label == "pasted":
        images = composite(faces.before, images, region)
    change = measure(faces.before, images, region)
    figures: dict[str, Tensor] = {
        "roir": change.roir,
        "strength": change.strength,
        "reached": edited.reached,
        "amount": edited.strengths,
    }
    if benchmark.distance is not None:
        maps = benchmark.distance(faces.before, images)
        figures["lpips_outside"] = outside(maps, region)
        figures["localization"] = localization(maps, region)
    if settings.effects and faces.measures:
        after = benchmark.sampler.measure(goal.measure, images)
        figures["effect"] = goal.effect(faces.measures[goal.measure], after)
    return images, figures


def _at_equal_effect(
    benchmark: LocalityBenchmark,
    faces: Faces,
    seen: Seen,
    goal: EditGoal,
    render: Render,
    start: float,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return images of equal effect, and what is measured of those that reach it."""
    region = faces.regions[goal.region]
    edited = bring(benchmark.sampler, render, faces, goal, start)
    change = measure(faces.before, edited.images, region)
    figures: dict[str, Tensor] = {
        "spilled": change.spilled / edited.effects,
        "strength": change.strength,
        "overshoot": edited.effects - 1,
    }
    if benchmark.distance is not None:
        maps = benchmark.distance(faces.before, edited.images)
        figures["lpips_outside"] = outside(maps, region) / edited.effects
    assert benchmark.witnesses is not None
    figures |= compare(seen, benchmark.witnesses.look(edited.images), goal)
    known = {
        name: values.masked_fill(~edited.reached, math.nan) for name, values in figures.items()
    }
    return edited.images, {
        **known,
        "reached": edited.reached,
        "amount": edited.strengths,
        "effect": edited.effects,
    }


def _save_pictures(
    benchmark: LocalityBenchmark, faces: Faces, edit: str, label: str, images: Tensor
) -> None:
    folder = benchmark.folder.path / "pictures" / edit
    for seed, before, image in zip(faces.latents.seeds, faces.before, images, strict=True):
        for name, shown in (("before", before), (label, image)):
            file = folder / name / f"{seed}.png"
            if file.exists():  # whole, and nothing else than what would be written
                sweep(file)
            else:
                save_picture(to_picture(shown), file)
