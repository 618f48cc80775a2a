"""A comparison as pages: what matches and what is lacking, and where background lives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from PIL import Image

from panda.comparison import tables
from panda.comparison.results import (
    Comparison,
    Depth,
    GeneratorResult,
    Level,
    Match,
    Matching,
    MatchRow,
)
from panda.comparison.store import WHAT, ComparisonFolder, write_json
from panda.files.ownership import updating
from panda.files.writing import write_text
from panda.generators.contract import ALL_STEPS
from panda.generators.entries import Entry
from panda.images import read_picture
from panda.report import chart
from panda.report.commands import panda_command
from panda.report.page import Figure, Page
from panda.report.table import Table
from panda.shapes import size_text

SHOWN = 8
"""Appearances that are shown of each level, the most similar ones."""


def write(comparison: Comparison, out: str | Path) -> Path:
    """Write all figures and pages; return the page about everything.

    Args:
        comparison: What `panda.comparison.compare` has returned.
        out: Its folder, which has the pictures. Added are ``results.json``, ``results.md``,
            ``report.html``, and ``background.html``, which is about background factors alone.

    Raises:
        PandaError: Where a picture is damaged, or the disk is full.
    """
    out = Path(out)
    folder, lead = ComparisonFolder(out, comparison.plan), tables.describe(comparison.plan)
    with updating(out, WHAT) as work:
        write_json(work / "results.json", comparison.to_json())
        write_text(work / "results.md", tables.markdown(comparison))
        page = Page("Where generators keep their background", lead)
        View(comparison, folder, page).draw_background()
        page.save(work / "background.html")
        page = Page("The same questions to every generator", lead)
        View(comparison, folder, page).draw()
        page.save(work / "report.html")
    return out / "report.html"


class View:
    """Draws a comparison section by section."""

    def __init__(self, comparison: Comparison, folder: ComparisonFolder, page: Page) -> None:
        self.comparison, self.folder, self.page = comparison, folder, page

    def draw(self) -> None:
        """Draw all sections, from the answers to the figures behind them."""
        self.page.facts(facts(self.comparison))
        self.samples()
        for matching in self.comparison.matchings:
            self.matching(matching)
        self.background()
        self.figures(tables.tables(self.comparison))
        self.next_steps()

    def draw_background(self) -> None:
        """Draw background factors alone: in figures, in pictures, and at every depth."""
        self.page.facts(background_facts(self.comparison))
        *short, every = tables.background(self.comparison)
        self.figures(short)
        self.background()
        self.figures([every])

    def path(self, result: GeneratorResult, level: int | None) -> Path:
        """Return the folder of the pictures of a level, or of those of the whole generator."""
        if level is None:
            return self.folder.overview(result.entry)
        return self.folder.level(result.entry, level)

    def picture(self, result: GeneratorResult, level: int | None, name: str) -> Image.Image:
        """Read a picture of a generator from its folder."""
        folder = self.path(result, level)
        return read_picture(folder / name, f"delete {folder} to have it made again")

    def samples(self) -> None:
        """Draw a row of samples of every generator."""
        self.page.section("Generators", "Unedited samples, of the same seeds.")
        for result in self.comparison.generators:
            names = self.names(result, None, "sample")
            figures = [Figure(self.picture(result, None, name)) for name in names]
            words = f"{result.name} · {result.architecture}, {size_text(result.size)} pixels"
            self.page.card([figures], words)

    def names(self, result: GeneratorResult, level: int | None, kind: str) -> list[str]:
        """Return the names of the files of numbered pictures, in order."""
        files = self.path(result, level).glob(f"{kind}-*.png")
        return [p.name for p in sorted(files, key=lambda p: int(p.stem.rpartition("-")[2]))]

    def matching(self, matching: Matching) -> None:
        """Draw a card for each concept: what corresponds to it in every generator, side by side."""
        what = "in the same two samples" if matching.kind == "parts" else "4 sd down and 4 sd up"
        self.page.section(
            f"Matched {matching.kind} at 1/{matching.level}",
            f"Each row is one of {matching.reference}, shown {what}, and what corresponds to it in"
            " the others, by optimal assignment; under each its number and how similar it is (1:"
            " the same). Below 0.5 the generator lacks it, or splits it into several.",
        )
        rows = list(enumerate(matching.rows))
        if matching.kind == "appearances":
            rows = sorted(rows, key=lambda row: -row[1].similarity)[:SHOWN]
        for _, row in rows:
            names = sorted(row.matches, key=lambda name: name != matching.reference)
            figures = [figure for name in names for figure in self.shown(matching, row, name)]
            absent = [name for name in matching.left if name not in row.matches]
            lacking = f" · absent in {', '.join(absent)}" if absent else ""
            self.page.card([figures], f"{row.name} · mean similarity {row.similarity:.2f}{lacking}")

    def shown(self, matching: Matching, row: MatchRow, name: str) -> Iterator[Figure]:
        """Yield what corresponds to a row in one generator: a picture, or one of each piece."""
        prefix = "part" if matching.kind == "parts" else "change"
        match, result = row.matches[name], self.comparison.get(name)
        words = caption(name, match, matching)
        for index in match.pieces or (match.index,):
            yield Figure(self.picture(result, matching.level, f"{prefix}-{index}.png"), words)
            words = f"{name}: another piece"

    def background(self) -> None:
        """Draw which layers carry background, how well it localizes, what removal leaves."""
        self.page.section(
            "Background factors",
            "Background is found without labels: clusters of features that fill the upper corners."
            " Below: where it lives, and for each generator a sample, the map of its detector, the"
            " map's mask, and the sample without the object.",
        )
        generators = self.comparison.generators
        for title, values in (("IoU with parsed background", iou), ("contrast, sd", contrast)):
            series = {name: points for r in generators for name, points in curves(r, values)}
            if series:
                self.page.svg(chart.lines(series, "side of the layer over the image's", title))
        for result in generators:
            for level in result.levels:
                strips = self.names(result, level.level, "background")
                rows = [
                    [Figure(tile) for tile in tiles(self.picture(result, level.level, name), 4)]
                    for name in strips[:2]
                ]
                self.page.card(
                    rows, f"{result.name} at 1/{level.level}, {level.layer} · {_removed(level)}"
                )

    def figures(self, shown: Sequence[Table]) -> None:
        """Draw tables, a section each."""
        for table in shown:
            self.page.section(f"Figures: {table.title}", table.about)
            self.page.table(table)

    def next_steps(self) -> None:
        """Draw what else was written, and the command that makes more of it."""
        self.page.section(
            "Do it yourself",
            "Beside this page lie one about background alone (background.html), every"
            " factorization, the tables (results.md) and every number (results.json). The command"
            " works in any directory; if you move this folder, change the path.",
        )
        result = next((r for r in self.comparison.generators if r.levels), None)
        if result is not None:
            level = self.folder.level(result.entry, result.levels[0].level)
            label = () if result.label is None else ("--label", result.entry.label_name)
            words = (level.resolve() / "factors", "--edit", "0:p0:5sd", "--seeds", "0-3", *label)
            self.page.code(panda_command("edit", *words, "--out", "edited"))


def facts(comparison: Comparison) -> dict[str, str]:
    """Return the answers at a glance."""
    answers = {"generators compared": str(len(comparison.generators))}
    if comparison.failures:
        answers["failed"] = str(len(comparison.failures))
    for matching in comparison.matchings:
        if matching.kind == "parts":
            verdicts = [m.verdict for row in matching.rows for m in row.matches.values()]
            same = verdicts.count("same") - len(matching.rows)
            others = len(verdicts) - len(matching.rows)
            answers[f"parts at 1/{matching.level} that others have too"] = f"{same} of {others}"
    return answers | background_facts(comparison)


def background_facts(comparison: Comparison) -> dict[str, str]:
    """Return the answers about background factors."""
    answers = {}
    best = [depth for r in comparison.generators if (depth := tables.carrier(r))]
    gains = [depth.gain[0] for depth in best if depth.gain is not None]
    if gains:
        answers["background IoU over a constant mask, at each one's best layer"] = spanned(gains)
    leads = [depth.lead[0] for depth in best if depth.lead is not None]
    if leads:
        answers["over the best principal component"] = spanned(leads)
    for level in comparison.plan.levels:
        removals = [at.removal for r in comparison.generators if (at := r.at(level))]
        if gone := [removal.gone[0] for removal in removals if removal and removal.gone]:
            answers[f"of the face gone after removal at 1/{level}"] = spanned(gone)
    for classes in comparison.similarities:
        pairs = [classes.cosines[i][j] for i in range(len(classes.labels)) for j in range(i)]
        name = Entry(classes.generator).name
        what = f"background's similarity between classes of {name} at 1/{classes.level}"
        answers[what] = spanned(pairs)
    return answers


def _removed(level: Level) -> str:
    """Return what removal of the object changes, in words."""
    removal = level.removal
    if removal is None:
        return "no background was found"
    gone = f"face gone {tables.pair(removal.gone)}, " if removal.gone else ""
    return f"{gone}change outside {removal.outside[0]:.1%}, inside {removal.inside[0]:.1%}"


def spanned(values: Sequence[float]) -> str:
    """Return such as ``0.52 to 0.78``, or a single number where they are the same."""
    return " to ".join(dict.fromkeys(f"{value:.2f}" for value in (min(values), max(values))))


def caption(name: str, match: Match, matching: Matching) -> str:
    """Return whose part it is, and how similar."""
    if name == matching.reference:
        return f"{name}: {match.index}"
    return f"{name}: {tables.cell(match, matching, name)}"


def curves(
    result: GeneratorResult, value: Callable[[Depth], float | None]
) -> Iterator[tuple[str, list[tuple[float, float]]]]:
    """Yield the curves of a generator by name: a value at each side of a layer over the image's.

    Layers inside a sampler have a curve of their own, since its decoder has some of the same size.
    """
    for inside, name in ((False, result.name), (True, f"{result.name}, sampler")):
        points = [
            (depth.size / result.size[0], y)
            for depth in result.depths
            if depth.layer.endswith(ALL_STEPS) == inside and (y := value(depth)) is not None
        ]
        if points:
            yield name, points


def iou(depth: Depth) -> float | None:
    """Return the IoU of a depth, where it has one."""
    return None if depth.iou is None else depth.iou[0]


def contrast(depth: Depth) -> float:
    """Return the contrast of a depth."""
    return depth.contrast[0]


def tiles(strip: Image.Image, count: int, gap: int = 2) -> list[Image.Image]:
    """Return the pictures of a strip that `panda.images.sheet` made, which are ``count``."""
    width = (strip.width + gap) // count
    return [strip.crop((k * width, 0, (k + 1) * width - gap, strip.height)) for k in range(count)]
