"""How local are edits? Every method at the same strength on the same faces, image by image.

Fits come first, then each method's best edit is chosen on seeds of their own, then the chosen
edits are measured on others. All of it goes on where it was stopped, and several processes share
the measuring: each is given its part of the seeds.
"""

from __future__ import annotations

import math
import re
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from panda.errors import MachineError, PandaError
from panda.evaluation.choose import ChosenEdit, brightness, choose
from panda.evaluation.edits import Wanted, find_edits
from panda.evaluation.faces import Faces, FaceSampler
from panda.evaluation.store import BenchmarkFolder
from panda.generators.contract import Generator
from panda.generators.latent_spaces import WSpace, ZSpace
from panda.generators.seeds import EVALUATION, selection_seeds
from panda.images import save_picture, to_picture
from panda.methods.catalog import METHODS, find_method
from panda.methods.changes import Change, Render, WChange, ZChange
from panda.methods.published import read_directions
from panda.metrics.fid import InceptionFeatures
from panda.metrics.lpips import LPIPS, localization, outside
from panda.metrics.matching import match
from panda.metrics.parsing import FaceParser
from panda.metrics.roir import composite, measure
from panda.progress import bar

CONTROLS = ("pasted", "brightness", "random")


@dataclass(frozen=True)
class LocalitySettings:
    """What is compared; all that the figures depend on, but for the number of processes."""

    generator: str
    edits: str = "eyes,nose,open_mouth,smile"
    n: int = 1000
    methods: tuple[str, ...] = tuple(METHODS)
    """Names of methods, or ``label=name:setting=value:...`` for one with other settings."""
    published: tuple[str, ...] = ()
    """``method=file.npy``: directions that the method's own authors published."""
    target: float = 0.2
    """The root mean square change inside the region, of images in [-1, 1]."""
    boxes: bool = False
    select: int = 4
    shortlist: int = 6
    parse: int = 512
    effects: bool = False
    """Whether edited images are looked at too: parsed, for what edits do, and for their FID."""


@dataclass(frozen=True)
class Bench:
    """A plan at work."""

    plan: LocalitySettings
    studio: FaceSampler
    store: BenchmarkFolder
    distance: LPIPS | None
    features: InceptionFeatures | None
    pictures: int = 4
    wanted: Mapping[str, Wanted] = field(default_factory=dict)

    @property
    def batch(self) -> int:
        """Faces at a time: a CPU gains nothing by more, and each then stops at its own strength."""
        return 1 if self.studio.generator.device.type == "cpu" else 16

    @property
    def labels(self) -> list[str]:
        """The methods' labels, then the controls'."""
        return [label_of(text)[0] for text in self.plan.methods]


def label_of(text: str) -> tuple[str, str, list[str]]:
    """``fine=panda:own=True`` as label, name and settings; a bare name is its own label.

    Raises `PandaError` where the label could not be the name of a folder.
    """
    head, *settings = text.split(":")
    label, _, name = head.partition("=")
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,60}", label) or label in CONTROLS:
        raise PandaError(f"{label!r:.80} is no label of a method; expected a short word")
    return label, name or label, settings


def prepare(
    generator: Generator,
    plan: LocalitySettings,
    out: Path,
    *,
    device: str = "cpu",
    pictures: int = 4,
) -> Bench:
    """Get ready; raises `PandaError` for an unknown edit or method, or a folder of another plan.

    Faces are parsed where the generator makes any: without a parser (``parse`` 0) regions are
    boxes, and an edit is chosen by its locality alone.
    """
    wanted = find_edits(plan.edits)
    labels = set()
    for text in plan.methods:
        label, name, settings = label_of(text)
        find_method(name, settings)
        if label in labels:
            raise PandaError(f"two methods are called {label!r}; give one a label of its own")
        labels.add(label)
    for text in plan.published:
        if text.partition("=")[0] not in labels:
            raise PandaError(f"{text!r}: there is no method of that label here")
    if plan.n < 1 or plan.select < 1 or not 0 < plan.target < 2:
        raise PandaError(
            "expected at least one image, one face to select on and a target in (0, 2)"
        )
    # More images and more methods may follow; what was measured stays as it is.
    growing = "n", "methods", "published"
    store = BenchmarkFolder(out, {k: v for k, v in asdict(plan).items() if k not in growing})
    parser = FaceParser(device) if plan.parse else None
    studio = FaceSampler(generator, parser, plan.boxes or not plan.parse, parse_size=plan.parse)
    distance = LPIPS(device) if generator.resolution >= 64 else None
    features = InceptionFeatures(device) if plan.effects else None
    return Bench(plan, studio, store, distance, features, pictures, wanted=wanted)


def run(bench: Bench, part: tuple[int, int] = (1, 1)) -> bool:
    """Fit, choose and measure; ``part`` K of N takes every Nth batch of seeds. True when all is."""
    texts = bench.plan.methods
    first = (part[0] - 1) * len(texts) // part[1]  # so that processes begin with different ones
    for text in (*texts[first:], *texts[:first]):
        label, _, _ = label_of(text)
        with bench.store.hold(label):
            if bench.store.choices(label) is None:
                _select(bench, text)
    chosen = {}
    for text in texts:
        label, _, _ = label_of(text)
        found = bench.store.choices(label)
        assert found is not None
        if found[1]["method"] != [text, _files(bench, label)]:
            raise PandaError(f"{bench.store.folder} has {label!r} with other settings; rename one")
        chosen[label] = found[0]
    _evaluate(bench, chosen, part)
    return missing(bench) == 0


def _select(bench: Bench, text: str) -> None:
    """Fit one method and keep its best edits; one that cannot run keeps the reason."""
    label, name, settings = label_of(text)
    generator = bench.studio.generator
    method = [text, _files(bench, label)]
    started, cpu = time.perf_counter(), time.process_time()
    try:
        fitted = find_method(name, settings).fit(generator, bench.studio.regions)
    except MachineError:
        raise
    except PandaError as error:
        print(f"{label}: {error}", file=sys.stderr)
        bench.store.keep_choices(label, {}, {"method": method, "reason": str(error)})
        return
    fit = {
        "method": method,
        "settings": dict(fitted.settings),
        "edits": len(fitted.changes),
        "device": generator.device.type,
        "seconds": round(time.perf_counter() - started, 2),
        "cpu_seconds": round(time.process_time() - cpu, 2),
    }
    changes = {**fitted.changes, **_published(bench, label)}
    regions = list(dict.fromkeys(want.region for want in bench.wanted.values()))
    seeds = selection_seeds(2 * bench.plan.select)
    some = [seeds[first : first + bench.batch] for first in range(0, len(seeds), bench.batch)]
    faces = Faces.joined([bench.studio.faces(batch) for batch in some])
    faces = faces.take(faces.whole(regions).nonzero()[: bench.plan.select, 0])
    if not len(faces):
        raise PandaError(f"no face to select on has {', '.join(regions)}; take boxes for regions")
    choices = choose(
        bench.studio, changes, bench.wanted, faces, bench.plan.target, bench.plan.shortlist
    )
    bench.store.keep_choices(label, choices, fit)
    for purpose, choice in choices.items():
        print(
            f"{label} {purpose}: {choice.name} at {choice.strength:+.2f}, ROIR {choice.roir:.2f},"
            f" effect {choice.effect:.1f}",
            file=sys.stderr,
        )


def _published(bench: Bench, label: str) -> dict[str, Change]:
    files = [Path(file) for file in _files(bench, label)]
    return dict(read_directions(files, bench.studio.generator)) if files else {}


def _files(bench: Bench, label: str) -> list[str]:
    pairs = [text.partition("=") for text in bench.plan.published]
    return [file for method, _, file in pairs if method == label]


def _evaluate(
    bench: Bench, chosen: Mapping[str, Mapping[str, ChosenEdit]], part: tuple[int, int]
) -> None:
    index, count = part
    run = f"{index}-of-{count}"
    regions = list(dict.fromkeys(want.region for want in bench.wanted.values()))
    done = {
        (label, edit): set(bench.store.rows(label, edit))
        for label in (*chosen, *CONTROLS)
        for edit in bench.wanted
    }
    unedited = bench.store.features("before") if bench.features else {}
    with bar(total=bench.plan.n, desc="measure", unit="img") as progress:
        for number, faces in enumerate(
            bench.studio.whole(EVALUATION, bench.plan.n, regions, bench.batch)
        ):
            progress.update(len(faces))
            if number % count != index - 1:
                continue
            if bench.features and not set(faces.latents.seeds) <= set(unedited):
                bench.store.add_features(
                    "before", run, faces.latents.seeds, bench.features(faces.before)
                )
            pictures = number * bench.batch < bench.pictures
            for edit, want in bench.wanted.items():
                todo = {
                    label: render
                    for label, render in _renders(bench, chosen, faces, edit).items()
                    if not done[label, edit] >= set(faces.latents.seeds)
                }
                for label, (render, start) in todo.items():
                    rows, images = _measure(bench, faces, want, label, render, start)
                    if bench.features:
                        bench.store.add_features(
                            f"{label}/{edit}", run, faces.latents.seeds, bench.features(images)
                        )
                    if pictures:
                        _keep_pictures(bench, faces, edit, label, images)
                    bench.store.add(label, edit, run, rows)


def _renders(
    bench: Bench, chosen: Mapping[str, Mapping[str, ChosenEdit]], faces: Faces, edit: str
) -> dict[str, tuple[Render, float]]:
    """What renders each method's edit of these faces, and where its strength begins."""
    generator = bench.studio.generator
    found: dict[str, tuple[Render, float]] = {}
    for label, choices in chosen.items():
        if edit in choices:
            choice = choices[edit]
            found[label] = choice.change.start(generator, faces.latents), choice.strength
    if found:
        # Whatever is pasted through the mask has ratio 0: the first method's edit will do.
        found["pasted"] = next(iter(found.values()))
    found["brightness"] = brightness(faces.before), bench.plan.target
    if random := random_change(generator, edit):
        found["random"] = random.start(generator, faces.latents), 3.0
    return found


def random_change(generator: Generator, edit: str) -> Change | None:
    """A control: a direction drawn at random, one for each edit."""
    draw = torch.Generator().manual_seed(sum(map(ord, edit)))
    if isinstance(generator, WSpace):
        direction = torch.randn(len(generator.w_mean), generator=draw)
        return WChange(direction / direction.norm())
    if isinstance(generator, ZSpace):
        direction = torch.randn(generator.z_weight().shape[1], generator=draw)
        return ZChange(direction / direction.norm())
    return None


def _measure(
    bench: Bench,
    faces: Faces,
    want: Wanted,
    label: str,
    render: Render,
    start: float,
) -> tuple[list[dict[str, Any]], Tensor]:
    """The figures of one edit of these faces, and the edited images."""
    region = faces.regions[want.region]
    cpu = time.process_time()
    calls = 0

    def counted(strengths: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return render(strengths)

    found = match(counted, faces.before, region, bench.plan.target, start=start)
    seconds = (time.process_time() - cpu) / calls / len(faces)
    images = found.images
    if label == "pasted":
        images = composite(faces.before, images, region)
    change = measure(faces.before, images, region)
    figures: dict[str, Tensor] = {
        "roir": change.roir,
        "strength": change.strength,
        "reached": found.reached,
        "amount": found.strengths,
    }
    if bench.distance is not None:
        maps = bench.distance(faces.before, images)
        figures["lpips_outside"] = outside(maps, region)
        figures["localization"] = localization(maps, region)
    if bench.plan.effects and faces.shapes:
        after = bench.studio.shapes(images)[want.shape]
        figures["effect"] = want.effect(faces.shapes[want.shape], after)
    columns = {
        name: [value if math.isfinite(value) else None for value in values.double().tolist()]
        for name, values in figures.items()
    }
    rows = [
        {"seed": seed, "seconds": seconds, **{name: row[i] for name, row in columns.items()}}
        for i, seed in enumerate(faces.latents.seeds)
    ]
    return rows, images


def _keep_pictures(bench: Bench, faces: Faces, edit: str, label: str, images: Tensor) -> None:
    folder = bench.store.folder / "pictures" / edit
    for seed, before, image in zip(faces.latents.seeds, faces.before, images, strict=True):
        save_picture(to_picture(before), folder / "before" / f"{seed}.png")
        save_picture(to_picture(image), folder / label / f"{seed}.png")


def missing(bench: Bench) -> int:
    """How many rows are still to be measured by all processes."""
    lacking = 0
    for text in bench.plan.methods:
        label = label_of(text)[0]
        found = bench.store.choices(label)
        for edit in found[0] if found else bench.wanted:
            lacking += bench.plan.n - len(bench.store.rows(label, edit))
    return lacking
