"""The scores of parts by meaning of several generators, in the tables of docs/benchmarks.md.

panda benchmark parts GENERATOR --samples 200 --n 64 --select 32 --out meaning/GENERATOR
python benchmarks/parts.py meaning/*
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from panda.evaluation.divisions import CONTROLS, KINDS
from panda.evaluation.part_scores import FIXED, JOINED, SEGMENTS
from panda.report.table import Table

EVERY = (*KINDS, SEGMENTS, *CONTROLS, *JOINED.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+")
    rows = {}
    for folder in parser.parse_args().folders:
        results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        rows[results["settings"]["generator"]] = results["scores"]
    for table in (layers(next(iter(rows.values()))), best(rows), means(rows), compared(rows)):
        print(table.to_markdown())


def layers(rows: Iterable[dict[str, Any]]) -> Table:
    """Return all means of one generator."""
    places = defaultdict(dict)
    for row in rows:
        if row["layer"]:
            places[row["layer"], str(row["count"])][row["kind"]] = f"{row['score'][0]:.3f}"
    cells = [[*place, *(known[kind] for kind in EVERY)] for place, known in places.items()]
    return _table(["layer", "R_S", *EVERY], cells, "The first generator")


def best(rows: dict[str, list[dict[str, Any]]]) -> Table:
    """Return the best of some kinds, chosen on the images that parts were matched on."""
    kinds = [kind for kind in (*EVERY, FIXED) if kind not in KINDS[1:]]
    cells = []
    for name, scores in rows.items():
        cells.append([f"`{name}`"])
        for kind in kinds:
            row = max((row for row in scores if row["kind"] == kind), key=lambda row: row["chosen"])
            where = f" ({row['count']}, {row['side']})" if row["layer"] else ""
            cells[-1].append("{:.3f} ± {:.3f}".format(*row["score"]) + where)
    return _table(["generator", *kinds], cells, "The best (R_S, side of the layer)")


def means(rows: dict[str, list[dict[str, Any]]]) -> Table:
    """Return the means over generators, for each number and for each side."""
    found = defaultdict(list)
    for row in (row for scores in rows.values() for row in scores if row["layer"]):
        for place in (f"R_S {row['count']}", f"side {row['side']}"):
            found[place, row["kind"]].append(row["score"][0])
    places = sorted({place for place, _ in found}, key=lambda text: (text[0], int(text.split()[1])))
    cells = []
    for place in places:
        values = [found[place, kind] for kind in EVERY]
        cells.append([place, *(f"{sum(of) / len(of):.3f}" for of in values)])
    return _table(["", *EVERY], cells, "Means")


def compared(rows: dict[str, list[dict[str, Any]]]) -> Table:
    """Return how often a kind is better and worse than parts, by more than both intervals allow."""
    cells = []
    for kind in EVERY[1:]:
        better = worse = 0
        gains = []
        for scores in rows.values():
            by_place = {(r["layer"], r["count"], r["kind"]): r["score"] for r in scores}
            for (layer, count, of), (mean, half) in by_place.items():
                if of == kind and (layer, count, KINDS[0]) in by_place:
                    plain, other = by_place[layer, count, KINDS[0]]
                    gains.append(mean - plain)
                    better += gains[-1] > (half**2 + other**2) ** 0.5
                    worse += -gains[-1] > (half**2 + other**2) ** 0.5
        gain = f"{sum(gains) / len(gains):+.3f}"
        cells.append([kind, str(better), str(worse), str(len(gains)), gain])
    return _table(["kind", "better", "worse", "of", "mean gain"], cells, "Beside parts")


def _table(header: list[str], cells: list[list[str]], title: str) -> Table:
    return Table(header, cells, title, align=["left", *["right"] * (len(header) - 1)])


if __name__ == "__main__":
    main()
