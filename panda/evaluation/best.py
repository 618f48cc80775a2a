"""The best of all methods at equal effect, by where their edits act."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from panda.directions.changes import Change
from panda.editing.local import DetectedChange, LocalChange
from panda.evaluation.choose import ChosenEdit
from panda.evaluation.choose_effects import REACH, pick
from panda.evaluation.edits import find_edits
from panda.methods.coordinates import CoordinateChange
from panda.methods.parts import PartChange
from panda.metrics.summary import ratio
from panda.report.table import Table

EVERYWHERE, PART = "everywhere", "appearance in a part"
LOCAL, DETECTED = "direction in parts", "direction in what is seen"

KINDS = EVERYWHERE, PART, LOCAL, DETECTED
LOCAL_KINDS = LOCAL, DETECTED

Rows = Mapping[int, Mapping[str, Any]]
"""The figures of an edit by seed."""


def kind_of(change: Change) -> str:
    """Return where a change acts, and by what."""
    if isinstance(change, LocalChange):
        return LOCAL
    if isinstance(change, DetectedChange):
        return DETECTED
    return PART if isinstance(change, PartChange | CoordinateChange) else EVERYWHERE


def best_by_kind(
    chosen: Mapping[str, Mapping[str, ChosenEdit]],
) -> dict[str, dict[str, str]]:
    """Return the label of the best method of each kind by goal, as the faces of the choice say."""
    best: dict[str, dict[str, str]] = {}
    for kind in KINDS:
        of_kind = {
            label: {edit: each for edit, each in choices.items() if kind_of(each.change) == kind}
            for label, choices in chosen.items()
        }
        for edit, (label, _) in pick(of_kind).items():
            best.setdefault(edit, {})[kind] = label
    return best


def times(rows: Rows, others: Rows) -> tuple[float, float | None] | None:
    """Return how many times the change outside of others this is, on the images that both reach.

    With half of its 95 % interval, which a single image has not; None where there is none.
    """
    pairs = [(row["spilled"], others.get(seed, {}).get("spilled")) for seed, row in rows.items()]
    both = [pair for pair in pairs if None not in pair]
    if not both:
        return None
    mine, other = torch.tensor(both, dtype=torch.float64).unbind(1)
    if len(both) == 1:
        return float(mine / other), None
    return ratio(mine, other)


def table(rows: Mapping[tuple[str, str], Rows], best: Mapping[str, Mapping[str, str]]) -> Table:
    """Return the table of the best methods.

    Args:
        rows: The figures by label and goal.
        best: What `best_by_kind` returns.
    """
    kinds = [kind for kind in KINDS if kind != DETECTED or any(kind in of for of in best.values())]
    lines = []
    for edit, labels in best.items():
        mine = {kind: rows.get((labels[kind], edit), {}) for kind in kinds if kind in labels}
        cells = [_cell(labels.get(kind, ""), mine.get(kind, {})) for kind in kinds]
        leads = [
            _lead(mine.get(EVERYWHERE, {}), mine.get(kind, {}))
            for kind in kinds
            if kind in LOCAL_KINDS
        ]
        lines.append([edit, find_edits(edit)[edit].words, *cells, *leads])
    heads = [f"times less outside, {kind}" for kind in kinds if kind in LOCAL_KINDS]
    return Table(
        ["edit", "one unit", *kinds, *heads],
        lines,
        "The best of all methods",
        "By the faces of the choice: of those that reach the effect on"
        f" {REACH:.0%} of them, the one with the least change outside. In brackets: images that"
        " reach the effect, and thousandths of change outside for it. The last columns compare"
        " local directions with what acts everywhere, on the images that both reach.",
    )


def _lead(plain: Rows, local: Rows) -> str:
    found = times(plain, local)
    if found is None:
        return "-"
    return f"{found[0]:.1f}" + ("" if found[1] is None else f" ± {found[1]:.1f}")


def _cell(label: str, rows: Rows) -> str:
    if not rows:
        return label or "-"
    reached = 100 * sum(bool(row["reached"]) for row in rows.values()) / len(rows)
    known = [row["spilled"] for row in rows.values() if row["spilled"] is not None]
    outside = f", {1000 * sum(known) / len(known):.1f}" if known else ""
    return f"{label} ({reached:.0f} %{outside})"
