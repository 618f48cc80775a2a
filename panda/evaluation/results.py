"""The figures of a benchmark as JSON, Markdown and a page with pictures."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from panda.evaluation.locality import CONTROLS, Bench
from panda.files.writing import staging
from panda.images import save_picture, sheet
from panda.metrics.fid import set_distance
from panda.report.page import Figure, Page

PAPER = {
    "GANSpace": ("2.80+-1.22", "4.89+-2.11", "3.25+-1.33", "2.44+-0.89"),
    "SeFa": ("5.01+-1.90", "6.89+-3.04", "3.45+-1.12", "5.04+-2.22"),
    "StyleSpace": ("1.26+-0.70", "1.70+-0.82", "1.24+-0.44", "2.06+-1.62"),
    "LowRankGAN": ("1.78+-0.59", "5.07+-2.06", "1.82+-0.60", "2.31+-0.76"),
    "ReSeFa": ("2.21+-0.85", "2.92+-1.29", "1.69+-0.65", "1.87+-0.75"),
    "PandA": ("1.04+-0.33", "1.17+-0.44", "1.04+-0.39", "1.05+-0.38"),
}
"""ROIR in the paper's Table 1: eyes, nose, open mouth, smile; its regions and its generator."""

PAPER_EDITS = ("eyes", "nose", "open_mouth", "smile")

THUMB = 160
"""Pixels of a picture in the overview."""

MEASURES = {
    "roir": "ROIR",
    "lpips_outside": "LPIPS outside the region",
    "localization": "LELSD localization score",
    "effect": "effect (1: as much as is asked for)",
    "enough": "images with an effect of at least 1, %",
    "fid": "FID of edited images to the same ones unedited (far too high below 2048 images)",
    "strength": "strength reached inside the region",
}
"""What is measured of every edit, and its title."""


def summarize(bench: Bench) -> dict[str, Any]:
    """All means and standard deviations, with what was chosen and what fits cost."""
    methods: dict[str, Any] = {}
    unedited = bench.store.features("before")
    for label in (*bench.labels, *CONTROLS):
        found = bench.store.choices(label)
        facts: dict[str, Any] = {"fit": found[1] if found else {}, "edits": {}}
        for edit in bench.wanted:
            rows = list(bench.store.rows(label, edit).values())
            if not rows:
                continue
            facts["edits"][edit] = {"n": len(rows), **_moments(rows)}
            edited = bench.store.features(f"{label}/{edit}")
            if len(shared := sorted(set(edited) & set(unedited))) > 1:
                sets = (torch.stack([of[seed] for seed in shared]) for of in (edited, unedited))
                facts["edits"][edit]["fid"] = [set_distance(*sets), None]
            if found and edit in found[0]:
                choice = found[0][edit]
                facts["edits"][edit]["chosen"] = choice.name
                facts["edits"][edit]["effect_on_selection"] = choice.effect
        methods[label] = facts
    return {"plan": asdict(bench.plan), "methods": methods}


def _moments(rows: list[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in (*MEASURES, "seconds", "reached"):
        given = [row[name] for row in rows if row.get(name) is not None]
        values = torch.tensor(given, dtype=torch.float64)
        if len(values):
            deviation = float(values.std()) if len(values) > 1 else math.nan
            found[name] = [float(values.mean()), None if math.isnan(deviation) else deviation]
    if "effect" in found:  # whose mean a few images can make
        enough = sum((row.get("effect") or 0) >= 1 for row in rows)
        found["enough"] = [100 * enough / len(rows), None]
    return found


def _cell(facts: Mapping[str, Any], measure: str) -> str:
    if measure not in facts:
        return "-"
    mean, deviation = facts[measure]
    digits = _digits(measure)
    text = f"{mean:.{digits}f}" + ("" if deviation is None else f" ± {deviation:.{digits}f}")
    return text + ("*" if facts.get("effect_on_selection", 1) < 1 else "")


def tables(summary: Mapping[str, Any]) -> list[tuple[str, list[str], list[list[str]]]]:
    """Title, head and rows of every table."""
    edits = [edit for edit in summary["plan"]["edits"].split(",") if edit]
    found = []
    for measure, title in MEASURES.items():
        rows = []
        for label, facts in summary["methods"].items():
            cells = [_cell(facts["edits"].get(edit, {}), measure) for edit in edits]
            means = [f[measure][0] for f in facts["edits"].values() if measure in f]
            if means:
                rows.append([label, *cells, f"{sum(means) / len(means):.{_digits(measure)}f}"])
        if rows:
            found.append((title, ["method", *edits, "mean"], rows))
    costs = []
    for label, facts in summary["methods"].items():
        seconds = [f["seconds"][0] for f in facts["edits"].values() if "seconds" in f]
        fit = facts["fit"]
        if seconds and fit:
            mean = sum(seconds) / len(seconds)
            costs.append(
                [
                    label,
                    f"{fit['cpu_seconds']:.0f}",
                    fit.get("device", "cpu"),
                    str(fit["edits"]),
                    f"{mean:.2f}",
                ]
            )
    head = ["method", "fit", "on", "edits listed", "one edited image"]
    title = "Cost, in CPU seconds (where a GPU works: of the process that drives it)"
    found.append((title, head, costs))
    chosen = [
        [
            label,
            edit,
            f["chosen"],
            f"{f['effect_on_selection']:.1f}",
            f"{100 * f['reached'][0]:.0f} %",
        ]
        for label, facts in summary["methods"].items()
        for edit, f in facts["edits"].items()
        if "chosen" in f
    ]
    head = ["method", "edit", "chosen", "effect on selection", "images at the strength"]
    found.append(("What was chosen", head, chosen))
    paper = [[name, *row] for name, row in PAPER.items()]
    if tuple(edits) == PAPER_EDITS:
        head = ["method", *edits]
        found.append(
            ("The paper's Table 1 (its own regions, strengths and generator)", head, paper)
        )
    return found


def _digits(measure: str) -> int:
    return {"lpips_outside": 4, "enough": 0}.get(measure, 2)


def markdown(summary: Mapping[str, Any]) -> str:
    """All tables as Markdown."""
    lines = []
    for title, head, rows in tables(summary):
        lines += [f"**{title}**", "", _line(head), _line(["---"] * len(head))]
        lines += [_line(row) for row in rows] + [""]
    lines.append("An asterisk: no edit of the method did what was wanted on the selection's faces.")
    for label, facts in summary["methods"].items():
        if "reason" in facts["fit"]:
            lines.append(f"{label} did not run: {facts['fit']['reason']}.")
    return "\n".join(lines) + "\n"


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("+-", " ± ") for cell in cells) + " |"


def write(bench: Bench) -> Path:
    """Write results.json, results.md, overview.png and report.html; return the page's path."""
    summary, folder = summarize(bench), bench.store.folder
    for name, text in (
        ("results.json", json.dumps(summary, indent=1) + "\n"),
        ("results.md", markdown(summary)),
    ):
        with staging(folder / name) as work:
            work.write_text(text)
    if rows := _overview(bench):
        save_picture(sheet(rows, gap=2), folder / "overview.png")
    page = _page(bench, summary)
    page.save(folder / "report.html")
    return folder / "report.html"


def _overview(bench: Bench) -> list[list[Image.Image]]:
    """A row for each edit: a face of its own before, and under every method."""
    rows = []
    for number, edit in enumerate(bench.wanted):
        folder = bench.store.folder / "pictures" / edit
        seeds = sorted(path.name for path in (folder / "before").glob("*.png"))
        if seeds:
            seed, names = seeds[number % len(seeds)], ("before", *bench.labels)
            files = [folder / name / seed for name in names]
            rows.append([_thumb(file) for file in files if file.is_file()])
    return rows


def _thumb(file: Path) -> Image.Image:
    with Image.open(file) as picture:
        return picture.convert("RGB").resize((THUMB, THUMB), Image.Resampling.LANCZOS)


def _page(bench: Bench, summary: Mapping[str, Any]) -> Page:
    plan = summary["plan"]
    where = "boxes" if bench.studio.boxes else "parsed faces"
    page = Page(
        f"Locality of edits: {plan['generator']}",
        f"{plan['n']} images; regions from {where}; root mean square change inside the region"
        f" {plan['target']} of images in [-1, 1]; every method at its best edit, chosen on"
        f" {plan['select']} other faces.",
    )
    for title, head, rows in tables(summary):
        page.section(title, "")
        page.table(head, [[cell.replace("+-", " ± ") for cell in row] for row in rows])
    for edit in bench.wanted:
        folder = bench.store.folder / "pictures" / edit
        if not folder.is_dir():
            continue
        page.section(f"{edit}: the same faces", "Rows are methods; all at the same strength.")
        labels = [name for name in ("before", *bench.labels, *CONTROLS) if (folder / name).is_dir()]
        seeds = sorted(path.name for path in (folder / "before").glob("*.png"))
        page.card(
            [
                [
                    Figure(Image.open(folder / label / seed).convert("RGB"), label)
                    for seed in seeds
                    if (folder / label / seed).is_file()
                ]
                for label in labels
            ]
        )
    return page
