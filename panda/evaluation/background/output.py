"""What a study writes: rows.csv, results.md and results.json."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

from panda.evaluation.background.store import PAGES, WHAT
from panda.evaluation.background.study import GONE, Study
from panda.evaluation.background.tables import MEASURES, TASKS, markdown, tables
from panda.files.ownership import updating
from panda.files.writing import write_text

FACTS = (
    *("generator", "layer", "side", "set", "first_seed", "last_seed", "agreement", "covered"),
    *("method", "direction", "selected", "likeness", "iou_constant", "iou", "contrast"),
)
"""Columns of rows.csv, before those of `TASKS` and `MEASURES`."""


def write(study: Study, out: Path) -> Path:
    """Write rows.csv, results.md and results.json into a folder; return the second."""
    with updating(out, WHAT) as work:
        (work / PAGES[0]).write_text(rows(study), encoding="utf-8")
        write_text(work / PAGES[1], markdown(study))
        text = json.dumps(to_json(study), indent=1, allow_nan=False) + "\n"
        (work / PAGES[2]).write_text(text, encoding="utf-8")
    return out / PAGES[1]


def rows(study: Study) -> str:
    """Return the figures of each generator, layer, set and kind as CSV, means over samples."""
    edits = [(task, what) for task in TASKS for what in MEASURES]
    names = [*FACTS, *(f"{task}_{what}" for task, what in edits)]
    text = io.StringIO()
    lines = csv.DictWriter(text, names, lineterminator="\n")
    lines.writeheader()
    for found in study.generators:
        for layer in found.layers:
            for number, unit in enumerate(found.units[layer]):
                for kind, method in unit["methods"].items():
                    facts = {
                        **{name: unit[name] for name in FACTS if name in unit},
                        "generator": found.name,
                        "first_seed": unit["seeds"][0],
                        "last_seed": unit["seeds"][1],
                        "method": kind,
                        "direction": method["name"],
                        "selected": method["selected"],
                        "likeness": method["likeness"],
                        "iou_constant": _mean(found.values(layer, "constant", "iou"), number),
                    }
                    for name in ("iou", "contrast"):
                        facts[name] = _mean(found.values(layer, kind, name), number)
                    for task, what in edits:
                        facts[f"{task}_{what}"] = _of_set(unit, kind, task, what)
                    lines.writerow({key: _short(value) for key, value in facts.items()})
    return text.getvalue()


def _of_set(unit: dict[str, Any], kind: str, task: str, what: str) -> float | None:
    """Return a measure of an edit in one set: a mean, or a ratio of sums."""
    values = unit["methods"][kind]["values"]
    if what == GONE:
        before, after = unit["before"].get("area"), values.get(f"{task} area")
        return 1 - sum(after) / sum(before) if after and before and sum(before) else None
    listed = [value for value in values.get(f"{task} {what}", ()) if value is not None]
    return sum(listed) / len(listed) if listed else None


def _mean(values: Tensor | None, number: int) -> float | None:
    return None if values is None else float(values[number].nanmean())


def _short(value: object) -> object:
    return f"{value:.4g}" if isinstance(value, float) else value


def to_json(study: Study) -> dict[str, Any]:
    """Return what results.json holds: settings, tables, and distances as numbers."""
    return {
        "settings": asdict(study.settings),
        "tables": [
            {"title": table.title, "header": list(table.header), "rows": list(table.rows)}
            for table in tables(study)
        ],
        "likenesses": [asdict(each) for each in study.likenesses],
    }
