"""Scores of parts by meaning as tables, JSON, CSV, and a page with pictures."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from PIL import Image

from panda.evaluation.divisions import CONTROLS, KINDS
from panda.evaluation.part_scores import FIXED, JOINED, SEGMENTS, DivisionScore
from panda.evaluation.parts import WHAT, PartsBenchmark, classes_of, masks_of, scores
from panda.files.ownership import updating
from panda.files.writing import write_text
from panda.images import mask_picture, save_picture, sheet, spotlight, to_picture
from panda.metrics.summary import Estimate
from panda.naming.names import GROUPS
from panda.report.chart import lines
from panda.report.page import Figure, Page
from panda.report.table import Table

SHOWN = (*KINDS, SEGMENTS, *CONTROLS)
"""What has a column in the table of all scores."""

THUMB = 128
"""Pixels of a picture."""

ABOUT = (
    "The harmonic mean of purity (the share of a part that lies in its class) and coverage (the"
    " share of the class that the part covers), over the classes of an image, 0 for a class"
    " without a part; mean and half of its 95 % interval over images (bootstrap). Parts and classes"
    " were matched one to one on other images."
)


def write(benchmark: PartsBenchmark) -> Path:
    """Write all pages from the scores so far; return the path of the page to look at first.

    Raises:
        PandaError: Where a file of the benchmark is damaged.
    """
    rows = scores(benchmark)
    shown = tables(rows)
    best = best_of(rows)
    pictures = [] if best is None else compared(benchmark, best)
    page = Page(f"Parts by meaning: {benchmark.settings.generator}", conclude(rows))
    for table in shown:
        page.section(table.title, table.about)
        page.table(table)
        if table is shown[0]:
            page.svg(lines(curves(rows), "number of parts", "score"))
    if best is not None:
        page.section(
            f"Parts beside their classes: {_name(best)}",
            "Each class: its mean over the images, its part, and the part in some images.",
        )
        page.card([[Figure(picture, words) for picture, words in line] for line in pictures])
    with updating(benchmark.out, WHAT) as work:
        text = json.dumps(summary(benchmark, rows), indent=1) + "\n"
        (work / "results.json").write_text(text, encoding="utf-8")
        markdown = "\n".join(table.to_markdown() for table in shown)
        write_text(work / "results.md", f"{conclude(rows)}\n\n{markdown}")
        write_text(work / "rows.csv", as_csv(rows))
        if pictures:
            save_picture(_overview(pictures), work / "overview.png")
        page.save(work / "report.html")
    return benchmark.out / "report.html"


def summary(benchmark: PartsBenchmark, rows: Sequence[DivisionScore]) -> dict[str, Any]:
    """Return the settings and all scores, as JSON takes them."""
    return {"settings": asdict(benchmark.settings), "scores": [asdict(row) for row in rows]}


def best_of(rows: Iterable[DivisionScore]) -> DivisionScore | None:
    """Return the parts with the best score on the images that they were matched on, if any."""
    return max((r for r in rows if r.kind in KINDS), key=lambda row: row.chosen, default=None)


def conclude(rows: Sequence[DivisionScore]) -> str:
    """Return what the scores say, in a few sentences."""
    best = best_of(rows)
    known = {row.kind: row for row in rows if row.kind == FIXED}
    if best is None:
        return "No layer is scored yet."
    sentences = [
        f"Chosen on the images that parts were matched on: {_name(best)}, {_figure(best.score)}"
    ]
    for kind in (SEGMENTS, *CONTROLS, *JOINED.values()):
        rivals = [row for row in rows if row.kind == kind]
        if rivals:
            rival = max(rivals, key=lambda row: row.chosen)
            sentences.append(f"the best {_name(rival)}: {_figure(rival.score)}")
    sentences += [f"{FIXED}: {_figure(row.score)}" for row in known.values()]
    return "; ".join(sentences) + "."


def tables(rows: Sequence[DivisionScore]) -> list[Table]:
    """Return tables of the scores of all divisions, and of the classes of the best ones."""
    together = (
        "The same, where all masks that lie mostly in a class stand for it together, so that a"
        " class may have many and another none."
    )
    return [
        _scores(rows, SHOWN, "Scores", ABOUT),
        _scores(rows, tuple(JOINED.values()), "Joined", together),
        *_classes(rows),
    ]


def _scores(rows: Sequence[DivisionScore], kinds: Sequence[str], title: str, about: str) -> Table:
    """Return a table with a row for each layer and number, and a column for each kind."""
    by_place: dict[tuple[str, int, int], dict[str, DivisionScore]] = {}
    for row in rows:
        if row.kind != FIXED:
            by_place.setdefault((row.layer, row.side, row.count), {})[row.kind] = row
    cells = []
    for (layer, side, count), known in by_place.items():
        shown = [_figure(known[kind].score) if kind in known else "-" for kind in kinds]
        plain = known.get(KINDS[0])
        facts = (plain.loss, plain.stability) if plain else (None, None)
        ends = ["-" if fact is None else f"{fact:.2f}" for fact in facts]
        cells.append([f"{layer} ({side})", str(count), *shown, *ends])
    header = ("layer", "R_S", *kinds, "loss", "stability")
    return Table(header, cells, title, about, ("left", *["right"] * (len(header) - 1)))


def _classes(rows: Sequence[DivisionScore]) -> Iterator[Table]:
    """Yield a table of the classes of the best parts, the best controls and the fixed masks."""
    best = best_of(rows)
    shown = [] if best is None else [best]
    for kind in (SEGMENTS, *CONTROLS, *JOINED.values(), FIXED):
        of = [row for row in rows if row.kind == kind]
        shown += [max(of, key=lambda row: row.chosen)] if of else []
    names = [name for name in GROUPS if any(name in row.classes for row in shown)]
    cells = [
        [
            _name(row),
            *(_class(row, name) for name in names),
            *(f"{row.purity:.2f}", f"{row.coverage:.2f}", _figure(row.score)),
        ]
        for row in shown
    ]
    about = "The best of each kind on the images that they were matched on: purity / coverage."
    header = ("masks", *names, "purity", "coverage", "score")
    if cells:
        yield Table(header, cells, "Classes", about)


def _class(row: DivisionScore, name: str) -> str:
    facts = row.classes.get(name)
    if facts is None or facts.part is None:
        return "-"
    return f"{facts.purity:.2f} / {facts.coverage:.2f}"


def curves(rows: Sequence[DivisionScore]) -> dict[str, list[tuple[float, float]]]:
    """Return the score by the number of masks: each layer's parts, then the means over layers."""
    by_line: dict[str, dict[int, list[float]]] = {}
    for row in rows:
        if row.kind == KINDS[0]:
            by_line.setdefault(f"{row.layer} ({row.side})", {})[row.count] = [row.score[0]]
    for kind in SHOWN:
        of = by_line.setdefault(f"mean of layers: {kind}", {})
        for row in rows:
            if row.kind == kind:
                of.setdefault(row.count, []).append(row.score[0])
    xs = sorted({count for of in by_line.values() for count in of})
    for row in rows:
        if row.kind == FIXED:
            by_line[FIXED] = {x: [row.score[0]] for x in xs}
    return {
        name: [(float(x), sum(ys) / len(ys)) for x, ys in of.items()]
        for name, of in by_line.items()
        if of
    }


def as_csv(rows: Iterable[DivisionScore]) -> str:
    """Return a line for each class of each division, and one for the mean over its classes."""
    file = io.StringIO()
    table = csv.writer(file, lineterminator="\n")
    places = ("layer", "side", "kind", "parts", "class", "part")
    table.writerow([*places, "score", "half interval", "purity", "coverage", "loss", "stability"])
    for row in rows:
        place = [row.layer, row.side, row.kind, row.count]
        ends = [row.loss, row.stability]
        table.writerow([*place, "", "", *row.score, row.purity, row.coverage, *ends])
        for name, facts in row.classes.items():
            figures = [*facts.score, facts.purity, facts.coverage]
            table.writerow([*place, name, facts.part, *figures, *ends])
    return file.getvalue()


def compared(benchmark: PartsBenchmark, row: DivisionScore) -> list[list[tuple[Image.Image, str]]]:
    """Return a row of pictures with captions for each class that has a part.

    Of refined parts, those of all images are shown.
    """
    _, classes = classes_of(benchmark)
    masks = masks_of(benchmark, row)
    means = classes.maps.mean(0)
    samples = [to_picture(image, THUMB) for image in classes.images]
    size = samples[0].size[::-1]
    shown = []
    for column, name in enumerate(GROUPS):
        facts = row.classes.get(name)
        if facts is None or facts.part is None:
            continue
        mean = means[column] / means[column].max().clamp_min(1e-6)
        mask = masks[facts.part]
        words = f"part {facts.part}: {facts.purity:.2f} pure, {facts.coverage:.2f} covered"
        line = [(mask_picture(mean, size), name), (mask_picture(mask, size), words)]
        shown.append([*line, *((spotlight(picture, mask), "") for picture in samples)])
    return shown


def _overview(shown: Sequence[Sequence[tuple[Image.Image, str]]]) -> Image.Image:
    """Return the pictures of `compared` as one, two classes in a row."""
    pictures = [[picture for picture, _ in line] for line in shown]
    half = -(-len(pictures) // 2)
    right = [*pictures[half:], []]
    return sheet(row + right[k] for k, row in enumerate(pictures[:half]))


def _name(row: DivisionScore) -> str:
    if row.kind == FIXED:
        return FIXED
    words = {SEGMENTS: "segments of parts", "grid": "cells of a grid"}
    words[JOINED["grid"]] = "joined cells of a grid"
    what = row.kind if row.kind not in KINDS[1:] else f"parts, {row.kind}"
    what = words.get(row.kind, what)
    return f"{row.count} {what} at {row.layer}"


def _figure(score: Estimate) -> str:
    """Return a mean and half of its interval as text."""
    return "{:.3f} ± {:.3f}".format(*score)
