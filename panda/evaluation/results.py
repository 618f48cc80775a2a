"""The figures of a benchmark as JSON, Markdown and a page with pictures."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from panda.evaluation import best
from panda.evaluation.best import times
from panda.evaluation.choose_effects import REACH
from panda.evaluation.settings import LocalityBenchmark
from panda.evaluation.store import WHAT
from panda.files.ownership import updating
from panda.files.writing import write_text
from panda.images import read_picture, save_picture, sheet
from panda.metrics.fid import set_distance
from panda.metrics.summary import estimate, mean_and_std, share
from panda.report.page import Figure, Page
from panda.report.table import Table

PAPER = {
    "GANSpace": ("2.80 ± 1.22", "4.89 ± 2.11", "3.25 ± 1.33", "2.44 ± 0.89"),
    "SeFa": ("5.01 ± 1.90", "6.89 ± 3.04", "3.45 ± 1.12", "5.04 ± 2.22"),
    "StyleSpace": ("1.26 ± 0.70", "1.70 ± 0.82", "1.24 ± 0.44", "2.06 ± 1.62"),
    "LowRankGAN": ("1.78 ± 0.59", "5.07 ± 2.06", "1.82 ± 0.60", "2.31 ± 0.76"),
    "ReSeFa": ("2.21 ± 0.85", "2.92 ± 1.29", "1.69 ± 0.65", "1.87 ± 0.75"),
    "PandA": ("1.04 ± 0.33", "1.17 ± 0.44", "1.04 ± 0.39", "1.05 ± 0.38"),
}
"""ROIR in the paper's Table 1: eyes, nose, open mouth, smile; its regions and its generator."""

PAPER_EDITS = ["eyes", "nose", "open_mouth", "smile"]

THUMB = 160
"""Pixels of a picture in the overview."""

FID = "FID of edited images to the same ones unedited (far too high below 2048 images)"

MEASURES = {
    "change": {
        "roir": "ROIR",
        "lpips_outside": "LPIPS outside the region",
        "localization": "LELSD localization score",
        "effect": "effect (1: as much as is asked for)",
        "enough": "images with an effect of at least 1, %",
        "fid": FID,
        "strength": "strength reached inside the region",
    },
    "effect": {
        "reached": "images that reach the effect, %",
        "spilled": "root mean square change outside for the effect, thousandths of [-1, 1]",
        "times": "change outside, times that of the first method on the images that both reach",
        "lpips_outside": "LPIPS outside the region for the effect",
        "identity": "distance of the faces' identities (0.6: somebody else)",
        "landmarks": "what landmarks moved as wanted, % of the distance between the eyes",
        "overshoot": "overshoot (1: twice the effect)",
        "strength": "root mean square change inside the region",
        "fid": FID,
    },
}
"""What is measured of every edit and its title, by what is equal."""

DIGITS = {"enough": 0, "reached": 0, "spilled": 1, "lpips_outside": 4, "landmarks": 1}
"""Of a measure after the decimal point, where they are not two."""

SCALES = {"reached": 100, "spilled": 1000, "landmarks": 100}
"""By which a measure is multiplied in tables at equal effect."""


def summarize(benchmark: LocalityBenchmark) -> dict[str, Any]:
    """Return all means and standard deviations, with what was chosen and what fits cost.

    Raises:
        PandaError: Where a file of the benchmark is damaged.
    """
    methods: dict[str, Any] = {}
    folder = benchmark.folder
    unedited = folder.features("before")
    settings = benchmark.settings
    for label in (*settings.labels, *settings.controls):
        choices, fit = folder.load_choices(label) or ({}, {})
        edits: dict[str, Any] = {}
        for edit in benchmark.goals:
            rows = list(folder.rows(label, edit).values())
            if not rows:
                continue
            edits[edit] = {"n": len(rows), **_moments(rows, settings.equal)}
            if settings.equal == "effect":
                first = folder.rows(settings.labels[0], edit)
                edits[edit]["times"] = times(folder.rows(label, edit), first) or (None, None)
            edited = folder.features(f"{label}/{edit}")
            if len(shared := sorted(set(edited) & set(unedited))) > 1:
                sets = (torch.stack([of[seed] for seed in shared]) for of in (edited, unedited))
                edits[edit]["fid"] = [set_distance(*sets), None]
            if edit in choices:
                edits[edit]["chosen"] = choices[edit].name
                edits[edit]["effect_on_selection"] = choices[edit].effect
                edits[edit]["wanted"] = 1 if settings.equal == "change" else REACH
        methods[label] = {"fit": fit, "edits": edits}
    summary = {"plan": asdict(settings), "methods": methods}
    if settings.equal == "effect":
        summary["best"] = asdict(_best(benchmark))
    return summary


def _best(benchmark: LocalityBenchmark) -> Table:
    """Return the table of the best methods by where their edits act."""
    folder, labels = benchmark.folder, benchmark.settings.labels
    chosen = {label: (folder.load_choices(label) or ({}, {}))[0] for label in labels}
    rows = {(label, edit): folder.rows(label, edit) for label in labels for edit in chosen[label]}
    return best.table(rows, best.best_by_kind(chosen))


def _moments(rows: list[dict[str, Any]], equal: str) -> dict[str, Any]:
    """Return mean and spread of every measure; None for that of a single row.

    The spread is the standard deviation at equal change, and half of the 95 % interval at equal
    effect.
    """
    moments: dict[str, Any] = {}
    for name in (*MEASURES[equal], "seconds", "reached"):
        values = [float(row[name]) for row in rows if row.get(name) is not None]
        if values:
            known = torch.tensor(values, dtype=torch.float64)
            figure = share if name == "reached" else estimate
            mean, spread = (mean_and_std if equal == "change" else figure)(known)
            moments[name] = [mean, spread if len(values) > 1 else None]
    if "effect" in moments:  # whose mean a few images can make
        enough = sum((row.get("effect") or 0) >= 1 for row in rows)
        moments["enough"] = [100 * enough / len(rows), None]
    return moments


def tables(summary: Mapping[str, Any]) -> list[Table]:
    """Return a table for each measure, and those of costs, choices and the paper's figures."""
    edits = [edit for edit in summary["plan"]["edits"].split(",") if edit]
    title = "The paper's Table 1 (its own regions, strengths and generator)"
    paper = Table(["method", *PAPER_EDITS], [(name, *row) for name, row in PAPER.items()], title)
    return [
        *([Table(**summary["best"])] if "best" in summary else []),
        *_measured(summary, edits),
        _costs(summary),
        _chosen(summary),
        *([paper] if edits == PAPER_EDITS else []),
    ]


def _measured(summary: Mapping[str, Any], edits: list[str]) -> Iterator[Table]:
    """Yield a table for each measure that any method has."""
    for measure, title in MEASURES[summary["plan"]["equal"]].items():
        rows = []
        for label, facts in summary["methods"].items():
            cells = [_cell(facts["edits"].get(edit, {}), measure) for edit in edits]
            means = [f[measure][0] for f in facts["edits"].values() if measure in f]
            means = [mean for mean in means if mean is not None]
            if means:
                mean = SCALES.get(measure, 1) * sum(means) / len(means)
                whole = len(means) == len(edits)  # or it is that of the easy ones
                text = f"{mean:.{DIGITS.get(measure, 2)}f}" if whole else "-"
                rows.append([_titled(label, facts), *cells, text])
        if rows:
            yield Table(["method", *edits, "mean"], rows, title)


def _titled(label: str, facts: Mapping[str, Any]) -> str:
    """Return a label, and whether its method was told by face parsing what to do."""
    return f"{label} (supervised)" if facts["fit"].get("supervised") else label


def _cell(facts: Mapping[str, Any], measure: str) -> str:
    """Return such as ``0.28 ± 0.10``, with an asterisk where the edit reaches no goal."""
    mean, spread = facts.get(measure, (None, None))
    if mean is None:
        return "-"
    digits, scale = DIGITS.get(measure, 2), SCALES.get(measure, 1)
    text = f"{scale * mean:.{digits}f}"
    text += "" if spread is None else f" ± {scale * spread:.{digits}f}"
    return text + ("*" if facts.get("effect_on_selection", 1) < facts.get("wanted", 1) else "")


def _costs(summary: Mapping[str, Any]) -> Table:
    rows = []
    for label, facts in summary["methods"].items():
        seconds = [f["seconds"][0] for f in facts["edits"].values() if "seconds" in f]
        fit = facts["fit"]
        if seconds and fit:
            mean = sum(seconds) / len(seconds)
            device = fit.get("device", "cpu")
            rows.append(
                [
                    _titled(label, facts),
                    f"{fit['cpu_seconds']:.0f}",
                    device,
                    str(fit["edits"]),
                    f"{mean:.2f}",
                ]
            )
    header = ["method", "fit", "on", "edits listed", "one edited image"]
    title = "Cost, in CPU seconds (where a GPU works: of the process that drives it)"
    return Table(header, rows, title)


def _chosen(summary: Mapping[str, Any]) -> Table:
    rows = [
        [
            _titled(label, method),
            edit,
            facts["chosen"],
            f"{facts['effect_on_selection']:.1f}",
            f"{100 * facts['reached'][0]:.0f} %",
        ]
        for label, method in summary["methods"].items()
        for edit, facts in method["edits"].items()
        if {"chosen", "reached"} <= facts.keys()
    ]
    header = ["method", "edit", "chosen", "effect on selection", "images at the strength"]
    return Table(header, rows, "What was chosen")


def markdown(summary: Mapping[str, Any]) -> str:
    """Return all tables as Markdown, with the reasons of methods that could not run."""
    notes = ["An asterisk: no edit of the method did what was wanted on the selection's faces."]
    if summary["plan"]["equal"] == "effect":
        notes = [
            "Means with half of their 95 % interval, over the images that reach the effect. An"
            f" asterisk: no edit of the method reached it on {REACH:.0%} of the selection's faces."
        ]
    for label, facts in summary["methods"].items():
        if facts["fit"].get("supervised"):
            notes.append(f"{label} is supervised: its fit uses face parsing, as the effect does.")
        if "reason" in facts["fit"]:
            notes.append(f"{label} did not run: {facts['fit']['reason']}.")
    shown = [table.to_markdown() + "\n" for table in tables(summary)]
    return "".join([*shown, *(f"{note}\n" for note in notes)])


def write(benchmark: LocalityBenchmark) -> Path:
    """Write results.json, results.md, overview.png and report.html; return the page's path."""
    summary, folder = summarize(benchmark), benchmark.folder.path
    with updating(folder, WHAT) as work:
        text = json.dumps(summary, indent=1) + "\n"
        (work / "results.json").write_text(text, encoding="utf-8")
        write_text(work / "results.md", markdown(summary))
        if rows := _overview(benchmark):
            save_picture(sheet(rows, gap=2), work / "overview.png")
        _page(benchmark, summary).save(work / "report.html")
    return folder / "report.html"


def _overview(benchmark: LocalityBenchmark) -> list[list[Image.Image]]:
    """Return a row for each edit: a face of its own before, and under every method."""
    rows = []
    for number, edit in enumerate(benchmark.goals):
        folder = benchmark.folder.path / "pictures" / edit
        seeds = sorted(path.name for path in (folder / "before").glob("*.png"))
        if seeds:
            seed, names = seeds[number % len(seeds)], ("before", *benchmark.settings.labels)
            files = [folder / name / seed for name in names]
            pictures = [read_picture(file) for file in files if file.is_file()]
            size = THUMB, THUMB
            rows.append([p.resize(size, Image.Resampling.LANCZOS) for p in pictures])
    return rows


def _page(benchmark: LocalityBenchmark, summary: Mapping[str, Any]) -> Page:
    settings = benchmark.settings
    where = "boxes" if benchmark.sampler.boxes else "parsed faces"
    if settings.equal == "change":
        equal = f"root mean square change inside the region {settings.target} of images in [-1, 1]"
    else:
        equal = "each image at the strength that has the edit's effect"
    page = Page(
        f"Locality of edits: {settings.generator}",
        f"{settings.n} images; regions from {where}; {equal}; every method at its best edit, chosen"
        f" on {settings.select} other faces.",
    )
    for table in tables(summary):
        page.section(table.title, table.about)
        page.table(table)
    for edit in benchmark.goals:
        folder = benchmark.folder.path / "pictures" / edit
        if not folder.is_dir():
            continue
        page.section(
            f"{edit}: the same faces", f"Rows are methods; all at the same {settings.equal}."
        )
        labels = ("before", *settings.labels, *settings.controls)
        seeds = sorted(path.name for path in (folder / "before").glob("*.png"))
        rows = [
            [
                Figure(read_picture(folder / label / seed), label)
                for seed in seeds
                if (folder / label / seed).is_file()
            ]
            for label in labels
            if (folder / label).is_dir()
        ]
        page.card(rows)
    return page
