"""A comparison as pages: what matches and what is lacking, and where background lives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image

from panda.comparison import tables
from panda.comparison.results import Analyzed, Comparison, Match, Matching, MatchRow
from panda.comparison.store import ComparisonFolder, write_json
from panda.files.writing import staging
from panda.generators.entries import Entry
from panda.report import chart
from panda.report.page import Figure, Page
from panda.report.table import Table

SHOWN = 8
"""Appearances that are shown of each level, those that are most alike."""


def write(comparison: Comparison, out: Path) -> Path:
    """Write all figures and pages; return the page about everything.

    These are ``results.json``, ``results.md``, ``report.html``, and ``background.html`` with what
    is there about background factors alone.
    """
    write_json(out / "results.json", comparison.to_json())
    with staging(out / "results.md") as work:
        work.write_text(tables.markdown(comparison))
    store, lead = ComparisonFolder(out, comparison.plan), tables.told(comparison.plan)
    page = Page("Where generators keep their background", lead)
    View(comparison, store, page).draw_background()
    page.save(out / "background.html")
    page = Page("The same questions to every generator", lead)
    View(comparison, store, page).draw()
    page.save(out / "report.html")
    return out / "report.html"


class View:
    """Draws a comparison section by section."""

    def __init__(self, comparison: Comparison, store: ComparisonFolder, page: Page) -> None:
        self.comparison, self.store, self.page = comparison, store, page

    def draw(self) -> None:
        """All sections, from the answers to the figures behind them."""
        self.page.facts(facts(self.comparison))
        self.samples()
        for matching in self.comparison.matchings:
            self.matching(matching)
        self.background()
        self.figures(tables.tables(self.comparison))
        self.next_steps()

    def draw_background(self) -> None:
        """Background factors alone: in figures, in pictures, and at every depth."""
        self.page.facts(background_facts(self.comparison))
        *short, every = tables.background(self.comparison)
        self.figures(short)
        self.background()
        self.figures([every])

    def folder(self, one: Analyzed, level: int | None) -> Path:
        """Where the pictures of an entry's level lie, or those of the whole."""
        return (
            self.store.overview(one.entry) if level is None else self.store.level(one.entry, level)
        )

    def picture(self, one: Analyzed, level: int | None, name: str) -> Image.Image:
        """A picture of an entry's, from its folder."""
        with Image.open(self.folder(one, level) / name) as picture:
            return picture.convert("RGB")

    def samples(self) -> None:
        """A row of samples of every generator."""
        self.page.section("Generators", "Unedited samples, of the same seeds.")
        for one in self.comparison.generators:
            names = self.names(one, None, "sample")
            figures = [Figure(self.picture(one, None, name)) for name in names]
            self.page.card([figures], f"{one.name} · {one.architecture}, {one.resolution} pixels")

    def names(self, one: Analyzed, level: int | None, kind: str) -> list[str]:
        """The files of numbered pictures, in order."""
        found = self.folder(one, level).glob(f"{kind}-*.png")
        return [p.name for p in sorted(found, key=lambda p: int(p.stem.rpartition("-")[2]))]

    def matching(self, matching: Matching) -> None:
        """A card for each concept: what stands for it in every generator, side by side."""
        what = "in the same two samples" if matching.kind == "parts" else "4 sd down and 4 sd up"
        self.page.section(
            f"Matched {matching.kind} at 1/{matching.level}",
            f"Each row is one of {matching.reference}, shown {what}, and what stands for it in the"
            " others, by optimal assignment; under each its number and how alike it is (1: the"
            " same). Below a likeness of 0.5 the generator lacks it, or splits it into several.",
        )
        rows = list(enumerate(matching.rows))
        if matching.kind == "appearances":
            rows = sorted(rows, key=lambda row: -row[1].likeness)[:SHOWN]
        for _, row in rows:
            names = sorted(row.matches, key=lambda name: name != matching.reference)
            figures = [figure for name in names for figure in self.shown(matching, row, name)]
            absent = [name for name in matching.left if name not in row.matches]
            lacking = f" · absent in {', '.join(absent)}" if absent else ""
            self.page.card([figures], f"{row.name} · mean likeness {row.likeness:.2f}{lacking}")

    def shown(self, matching: Matching, row: MatchRow, name: str) -> Iterator[Figure]:
        """What stands for a row in one generator: a picture, or one of each piece."""
        prefix = "part" if matching.kind == "parts" else "change"
        match, one = row.matches[name], self.comparison.get(name)
        words = caption(name, match, matching)
        for index in match.pieces or (match.index,):
            yield Figure(self.picture(one, matching.level, f"{prefix}-{index}.png"), words)
            words = f"{name}: another piece"

    def background(self) -> None:
        """Which layers carry background, how well it localizes, what removal leaves."""
        self.page.section(
            "Background factors",
            "Background is found without labels: clusters of features that fill the upper corners."
            " Below: where it lives, and for each generator a sample, the map of its detector, the"
            " map's mask, and the sample with the object replaced by background.",
        )
        generators = self.comparison.generators
        for title, values in (("IoU with parsed background", ious), ("contrast, sd", contrasts)):
            series = {one.name: points for one in generators if (points := list(values(one)))}
            if series:
                self.page.svg(chart.lines(series, "side of the layer over the image's", title))
        for one in generators:
            for level in one.levels:
                strips = self.names(one, level.level, "background")
                rows = [
                    [Figure(tile) for tile in tiles(self.picture(one, level.level, name), 4)]
                    for name in strips[:2]
                ]
                gone = level.removal.gone
                words = f"face gone {tables.pair(gone)}, " if gone else ""
                self.page.card(
                    rows,
                    f"{one.name} at 1/{level.level}, {level.layer} · {words}change outside"
                    f" {level.removal.outside:.1%}, inside {level.removal.inside:.1%}",
                )

    def figures(self, shown: Sequence[Table]) -> None:
        """Tables, a section each."""
        for table in shown:
            self.page.section(f"Figures: {table.title}", table.about)
            self.page.table(table)

    def next_steps(self) -> None:
        """What else was written, and the command that makes more of it."""
        self.page.section(
            "Do it yourself",
            "Beside this page lie one about background alone (background.html), every"
            " factorization, the tables (results.md) and every number (results.json).",
        )
        one = next((g for g in self.comparison.generators if g.levels), None)
        if one is not None:
            level = self.store.level(one.entry, one.levels[0].level)
            label = "" if one.label is None else f" --label {one.label}"
            folder = level.relative_to(self.store.folder) / "factors"
            self.page.code(f"panda edit {folder} --edit 0:p0:5sd --seeds 0-3{label} --out edited")


def facts(comparison: Comparison) -> dict[str, str]:
    """The answers at a glance."""
    found = {"generators compared": str(len(comparison.generators))}
    if comparison.failures:
        found["failed"] = str(len(comparison.failures))
    for matching in comparison.matchings:
        if matching.kind == "parts":
            verdicts = [m.verdict for row in matching.rows for m in row.matches.values()]
            same = verdicts.count("same") - len(matching.rows)
            others = len(verdicts) - len(matching.rows)
            found[f"parts at 1/{matching.level} that others have too"] = f"{same} of {others}"
    return found | background_facts(comparison)


def background_facts(comparison: Comparison) -> dict[str, str]:
    """Those about background factors."""
    found = {}
    best = [depth for one in comparison.generators if (depth := tables.carrier(one))]
    measured = [depth.iou[0] for depth in best if depth.iou is not None]
    if measured:
        found["background IoU at each one's best layer"] = spanned(measured)
    for level in comparison.plan.levels:
        removals = [at.removal for one in comparison.generators if (at := one.at(level))]
        if gone := [removal.gone[0] for removal in removals if removal.gone is not None]:
            found[f"of the face gone after removal at 1/{level}"] = spanned(gone)
    for kin in comparison.kinships:
        pairs = [kin.likeness[i][j] for i in range(len(kin.labels)) for j in range(i)]
        name = Entry(kin.generator).name
        found[f"background's likeness between classes of {name} at 1/{kin.level}"] = spanned(pairs)
    return found


def spanned(values: Sequence[float]) -> str:
    """Such as ``0.52 to 0.78``, or one of them where they are the same."""
    return " to ".join(dict.fromkeys(f"{value:.2f}" for value in (min(values), max(values))))


def caption(name: str, match: Match, matching: Matching) -> str:
    """Whose part it is, and how alike."""
    if name == matching.reference:
        return f"{name}: {match.index}"
    return f"{name}: {tables.cell(match, matching, name)}"


def ious(one: Analyzed) -> Iterator[tuple[float, float]]:
    """Side over the image's, and IoU, of each depth that has one."""
    for depth in one.depths:
        if depth.iou is not None:
            yield depth.size / one.resolution, depth.iou[0]


def contrasts(one: Analyzed) -> Iterator[tuple[float, float]]:
    """Side over the image's, and contrast, of each depth."""
    for depth in one.depths:
        yield depth.size / one.resolution, depth.contrast


def tiles(strip: Image.Image, count: int, gap: int = 2) -> list[Image.Image]:
    """The pictures of a strip that `panda.images.sheet` made."""
    width = (strip.width + gap) // count
    return [strip.crop((k * width, 0, (k + 1) * width - gap, strip.height)) for k in range(count)]
