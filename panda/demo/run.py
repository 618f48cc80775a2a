"""The demo: fit two layers of a generator, use them in every way, and write one HTML report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch

from panda.demo import sections
from panda.demo.sections import LayerStudy
from panda.editing.remove import object_parts
from panda.factorization.factors import Factors
from panda.factorization.fit import fit
from panda.factorization.usual import usual_place
from panda.files.in_place import no_link
from panda.files.ownership import check_files, updating
from panda.generators.contract import ALL_STEPS, Generator, Layer, last_layers
from panda.generators.entries import Entry
from panda.generators.registry import create_generator, full_name
from panda.images import save_picture
from panda.progress import bar
from panda.report.commands import panda_command
from panda.report.page import Page
from panda.report.table import Table

SEEDS = (0, 3, 5, 12, 1, 8)
"""Seeds of the samples in the report."""

WHAT = "a demo"
PAGES = ("overview.png", "report.html")


@dataclass(frozen=True)
class DemoSettings:
    """How many samples, pictures and appearances the demo uses."""

    fit_samples: int
    """Samples that each layer is fitted on."""

    shown_samples: int
    """Samples in each row of pictures."""

    axes: tuple[int, int]
    """Appearances shown for each part, at the first and at the second layer."""


FULL = DemoSettings(fit_samples=1000, shown_samples=4, axes=(1, 2))
QUICK = DemoSettings(fit_samples=200, shown_samples=3, axes=(1, 1))


@dataclass
class DemoResult:
    """What the demo made, and how long each step took.

    Attributes:
        report: The path of the HTML report.
        factors: The factors of each layer, as saved beside the report.
        seconds: Wall time of each step, by its name.
    """

    report: Path
    factors: list[Factors] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Record the wall time of the block as a step."""
        started = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - started


def run(name: str, out: Path, *, quick: bool = False, device: str = "cpu") -> DemoResult:
    """Run the demo: fit two layers of a generator, use the factors in every way, write a report.

    Args:
        name: The name of a generator, or the path of a checkpoint.
        out: The folder for the report, the factors of each layer and ``overview.png``.
        quick: Use fewer samples and pictures.
        device: The torch device to run on.

    Returns:
        The path of the report, the factors, and the time of each step.

    Raises:
        PandaError: If the generator cannot be loaded or ``out`` cannot be written.
    """
    settings = QUICK if quick else FULL
    check_files(out, WHAT, PAGES)
    # The factors name their generator; an absolute path lets commands find it from any directory.
    name = full_name(name)
    result = DemoResult(out / "report.html")
    with result.timed("load"):
        generator = create_generator(name, device=device)
    layers = _layers(generator)
    for layer, _ in layers:
        Factors.check_folder(no_link(out / layer.name))
    for layer, parts in layers:
        with result.timed(f"fit {layer.name}"):
            factors = fit(generator, layer.name, parts=parts, seeds=range(settings.fit_samples))
        factors.save(out / layer.name)
        result.factors.append(factors)
    with result.timed("samples"):
        latents = generator.sample(SEEDS, truncation=generator.usual_truncation)
        images = torch.cat([generator.forward(latents[i : i + 1]) for i in range(len(SEEDS))])
    page = Page(
        f"Parts and appearances of {Entry(name).name}",
        "Unsupervised: no labels, no masks, no training. One factorization of the feature maps"
        " gives where things are (parts) and what they look like (appearances).",
    )
    page.facts(_facts(result, settings))
    sections.samples(page, images, SEEDS, generator.usual_truncation)
    studies = [LayerStudy.make(generator, factors, latents, images) for factors in result.factors]
    names: list[sections.Named] = []

    def by_name() -> None:
        names.extend(sections.named(page, studies[0], settings.shown_samples))

    tasks = [("edits by name", by_name)]
    for study, axes in zip(studies, settings.axes, strict=False):
        tasks += _tasks(page, study, settings.shown_samples, axes)
    for step, task in (progress := bar(tasks, desc="render", unit="section")):
        progress.set_postfix_str(step)
        with result.timed(step):
            task()
    with updating(out, WHAT) as work:
        with result.timed("overview"):
            save_picture(sections.overview(studies[0], names), work / "overview.png")
        _closing(page, name, result, generator.device)
        page.save(work / "report.html")
    return result


def _tasks(
    page: Page, study: LayerStudy, count: int, axes: int
) -> list[tuple[str, Callable[[], None]]]:
    """Return the sections of one layer, each with the name of its step."""
    name = study.factors.layer.name
    return [
        (f"parts {name}", lambda: sections.parts(page, study, count)),
        (f"edits {name}", lambda: sections.edits(page, study, axes)),
        (f"concepts {name}", lambda: sections.concepts(page, study, count)),
        (f"removal {name}", lambda: sections.removal(page, study, count)),
        (f"refinement {name}", lambda: sections.refinement(page, study, count - 1)),
    ]


def _layers(generator: Generator) -> list[tuple[Layer, int]]:
    """Return where edits are best made, and another layer with half as many parts.

    That is one of half the side, or of a sampler its last one of all steps.
    """
    place, parts = usual_place(generator)
    sampled = [layer for layer in last_layers(generator) if layer.name.endswith(ALL_STEPS)]
    other = sampled[-1] if sampled else generator.layer_near(place.side / 2)
    rest = [] if other == place else [(other, min(parts // 2, other.positions))]
    return [(place, parts), *rest]


def _facts(result: DemoResult, settings: DemoSettings) -> dict[str, str]:
    """Return the figures at the top of the report."""
    facts = {"samples per layer": str(settings.fit_samples)}
    for factors in result.factors:
        seconds = factors.config["seconds"]
        total = seconds["sampling"] + seconds["solving"]
        facts[f"fit of {factors.layer.name}, sampling included"] = f"{total:.1f} s"
        facts[f"loss at {factors.layer.name}, share of energy"] = f"{factors.loss:.4f}"
    return facts


def _closing(page: Page, name: str, result: DemoResult, device: torch.device) -> None:
    """Add the timings, and commands to continue with."""
    threads = f", threads: {torch.get_num_threads()}" if device.type == "cpu" else ""
    page.section("Timings", f"Wall time of each step. Device: {device}{threads}.")
    rows = [[step, f"{seconds:.1f} s"] for step, seconds in result.seconds.items()]
    page.table(Table(["step", "time"], rows))
    page.section(
        "Do it yourself",
        "Paste these commands into a terminal, in any directory: they name the factors beside this"
        " report by their full path, and write to new folders in the current directory. If you move"
        " the report, change the path.",
    )
    page.code("\n".join(next_commands(name, result.report.parent, result.factors[0])))


def next_commands(name: str, folder: Path, factors: Factors) -> list[str]:
    """Return commands that use the demo's factors, quoted for a shell in any directory.

    Args:
        name: The generator's name, or the absolute path of its checkpoint.
        folder: The folder of the report.
        factors: The factors that are used. Without a background there is no object to remove.
    """
    layer = factors.layer.name
    path, seeds = folder.resolve() / layer, ("--seeds", "0-3", "--out")
    part = () if factors.has_background else ("--parts", object_parts(factors)[0])
    concept, out = ("bg", "background") if factors.has_background else ("0", "concept")
    return [
        panda_command("edit", path, "--edit", "0:p0:5sd", *seeds, "edited"),
        panda_command("remove", path, *part, *seeds, "removed"),
        panda_command("localize", path, "--appearance", concept, *seeds, out),
        panda_command("fit", name, layer, "--parts", 12, "--out", "factors"),
    ]
