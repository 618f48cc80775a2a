"""A picture of a comparison at equal effect: faces before, and after the best edits of each kind.

    python benchmarks/locality_sheet.py effect --edits eyes smile light_hair --out local.jpg

LOCALITY is a folder of `panda benchmark locality --equal effect`, run with as many `--pictures`.
The first row has the faces as they were. Then each edit has a row for each column of the table
"The best of all methods" of its results: what acts everywhere, an appearance in a part, a direction
in parts. Whatever its own effect, each picture is at the strength that has the edit's.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from panda.evaluation.best import EVERYWHERE, LOCAL, PART
from panda.images import read_picture, sheet

MARGIN = 150
"""Pixels to the left of the faces, where the edit and its method are named."""

GAP = 3
"""Pixels between faces."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("locality", type=Path)
    parser.add_argument("--edits", nargs="+", default=[], help="default: all of the run")
    parser.add_argument("--faces", type=int, default=8)
    parser.add_argument("--side", type=int, default=128, help="pixels of a face")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    best = best_methods(args.locality)
    seeds = sorted(file.name for file in (args.locality / "pictures").glob("*/before/*.png"))
    seeds = sorted(set(seeds))[: args.faces]
    edits = args.edits or list(best)
    rows = [("before", edits[0], "before")]
    rows += [
        (f"{edit.replace('_', ' ')}\n{label}", edit, label)
        for edit in edits
        for label in best[edit]
    ]
    pictures = args.locality / "pictures"
    faces = sheet(
        [
            [face(pictures / edit / label / seed, args.side) for seed in seeds]
            for _, edit, label in rows
        ],
        gap=GAP,
    )
    page = Image.new("RGB", (MARGIN + faces.width, faces.height), "white")
    page.paste(faces, (MARGIN, 0))
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(16)
    for number, (words, _, _) in enumerate(rows):
        middle = number * (args.side + GAP) + args.side // 2
        pen.multiline_text((4, middle), words, "black", font, "lm", spacing=6)
    page.save(args.out, quality=80)


def best_methods(locality: Path) -> dict[str, list[str]]:
    """Return the labels of the best method of each kind by edit; see `panda.evaluation.best`."""
    table = json.loads((locality / "results.json").read_text(encoding="utf-8"))["best"]
    columns = [table["header"].index(kind) for kind in (EVERYWHERE, PART, LOCAL)]
    labels = {
        row[0]: [row[column].partition(" (")[0] for column in columns] for row in table["rows"]
    }
    return {edit: [label for label in row if label != "-"] for edit, row in labels.items()}


def face(file: Path, side: int) -> Image.Image:
    """Return a face of the run; white where an edit has none."""
    if not file.is_file():
        return Image.new("RGB", (side, side), "white")
    return read_picture(file).resize((side, side), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main()
