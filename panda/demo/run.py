"""The demo: two layers of one generator, every ability of the method, one HTML report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch

from panda.demo import sections
from panda.demo.sections import Study
from panda.errors import PandaError
from panda.factorization.factors import Factors
from panda.factorization.fit import fit
from panda.files.writing import check_target
from panda.generators.contract import Generator, Layer
from panda.generators.registry import create_generator
from panda.images import save_picture
from panda.progress import bar
from panda.report.page import Page
from panda.report.table import Table

SEEDS = (0, 3, 5, 12, 1, 8)


@dataclass(frozen=True)
class DemoSize:
    """How much of everything."""

    samples: int
    faces: int
    axes: tuple[int, int]
    """Own appearances shown of each part, at the first and at the second layer."""


FULL = DemoSize(samples=1000, faces=4, axes=(2, 1))
QUICK = DemoSize(samples=200, faces=3, axes=(1, 1))


@dataclass
class DemoResult:
    """What the closing summary says."""

    report: Path
    factors: list[Factors] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Add a step's seconds."""
        started = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - started


def run(name: str, out: Path, *, quick: bool = False, device: str = "cpu") -> DemoResult:
    """Fit two layers, use them in every way, and write factors, a picture and a report to ``out``.

    Raises `PandaError` where the generator cannot be had or ``out`` cannot be written.
    """
    plan = QUICK if quick else FULL
    check_target(out)
    if out.is_file():
        raise PandaError(f"{out} is a file; name a folder for the report")
    result = DemoResult(out / "report.html")
    with result.timed("load"):
        generator = create_generator(name, device=device)
    for layer, parts in _layers(generator):
        with result.timed(f"fit {layer.name}"):
            factors = fit(generator, layer.name, parts=parts, seeds=range(plan.samples))
        factors.save(out / layer.name)
        result.factors.append(factors)
    with result.timed("samples"):
        latents = generator.sample(SEEDS, truncation=generator.usual_truncation)
        images = torch.cat([generator.forward(latents[i : i + 1]) for i in range(len(SEEDS))])
    page = Page(
        f"Parts and appearances of {name}",
        "Unsupervised: no labels, no masks, no training. One factorization of the feature maps"
        " gives where (parts) and what (appearances).",
    )
    page.facts(_facts(result, plan))
    sections.samples(page, images, SEEDS, generator.usual_truncation)
    studies = [Study.make(generator, factors, latents, images) for factors in result.factors]
    tasks = [
        task
        for study, axes in zip(studies, plan.axes, strict=False)
        for task in _tasks(page, study, plan.faces, axes)
    ]
    for step, task in (progress := bar(tasks, desc="render", unit="section")):
        progress.set_postfix_str(step)
        with result.timed(step):
            task()
    with result.timed("overview"):
        save_picture(sections.overview(studies[0]), out / "overview.png")
    _closing(page, name, result, out)
    page.save(result.report)
    return result


def _tasks(page: Page, study: Study, faces: int, axes: int) -> list[tuple[str, Callable[[], None]]]:
    """The sections of one layer."""
    name = study.factors.layer.name
    return [
        (f"parts {name}", lambda: sections.parts(page, study, faces)),
        (f"edits {name}", lambda: sections.edits(page, study, axes)),
        (f"concepts {name}", lambda: sections.concepts(page, study, faces)),
        (f"removal {name}", lambda: sections.removal(page, study, faces)),
        (f"refinement {name}", lambda: sections.refinement(page, study, faces - 1)),
    ]


def _layers(generator: Generator) -> list[tuple[Layer, int]]:
    """The last layers nearest to 16 x 16 (8 parts) and 32 x 32 (16 parts)."""
    chosen = []
    for pixels, parts in ((16, 8), (32, 16)):
        nearest = generator.layer_near(pixels)
        chosen.append((nearest, min(parts, nearest.positions)))
    return chosen if chosen[0][0] != chosen[1][0] else chosen[:1]


def _facts(result: DemoResult, plan: DemoSize) -> dict[str, str]:
    facts = {"samples a layer": str(plan.samples)}
    for factors in result.factors:
        seconds = factors.config["seconds"]
        total = seconds["sampling"] + seconds["solving"]
        facts[f"fit of {factors.layer.name}, sampling included"] = f"{total:.1f} s"
        facts[f"loss at {factors.layer.name}, share of energy"] = f"{factors.loss:.4f}"
    return facts


def _closing(page: Page, name: str, result: DemoResult, out: Path) -> None:
    page.section("Timings", f"On {torch.get_num_threads()} CPU threads or the device chosen.")
    rows = [[step, f"{seconds:.1f} s"] for step, seconds in result.seconds.items()]
    page.table(Table(["step", "time"], rows))
    page.section("Do it yourself", "The factors of this report lie beside it.")
    layer = result.factors[0].layer.name
    page.code(
        f"panda edit {out / layer} --edit 0:p0:5sd --seeds 0-3 --out edited\n"
        f"panda remove {out / layer} --seeds 0-3 --out removed\n"
        f"panda localize {out / layer} --appearance bg --seeds 0-3 --out background\n"
        f"panda fit {name} {layer} --parts 12 --out factors"
    )
