"""Sheets for a blind choice: which of these columns makes the edit, and nothing else?

    python benchmarks/blind_choice.py locality --methods panda near stylespace --faces 4 --out blind
    python benchmarks/blind_choice.py locality --answers blind/answers.csv --out blind

LOCALITY is a folder of `panda benchmark locality`, run with as many `--pictures`. Each sheet is of
one edit: a row for each face, first as it was, then once for each method, in an order of its own.
The order goes to key.json, which whoever chooses does not see. Answers are lines such as
``smile,2,C``: edit, row from 1 on, column (``-`` for none). The second command says how often each
method was chosen, beside what guessing gives, with the 95 % interval over rows.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
from pathlib import Path

import torch
from PIL import ImageDraw

from panda.images import read_picture, save_picture, sheet
from panda.metrics.summary import estimate

SIDE = 256


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("locality", type=Path)
    parser.add_argument("--methods", nargs="+", default=[])
    parser.add_argument("--faces", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0, help="of the orders")
    parser.add_argument("--answers", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    if args.answers:
        count(args.out, args.answers)
    else:
        draw(args.locality, args.methods, args.faces, args.seed, args.out)


def draw(locality: Path, methods: list[str], faces: int, seed: int, out: Path) -> None:
    """Write a sheet for each edit, and the key."""
    dice, key = random.Random(seed), {}
    for folder in sorted((locality / "pictures").iterdir()):
        present = [name for name in methods if (folder / name).is_dir()]
        files = sorted(path.name for path in (folder / "before").glob("*.png"))
        files = [name for name in files if all((folder / m / name).is_file() for m in present)]
        rows = []
        for number, name in enumerate(files[:faces], 1):
            order = dice.sample(present, len(present))
            key[f"{folder.name},{number}"] = order
            row = [read_picture(folder / column / name) for column in ("before", *order)]
            row = [picture.resize((SIDE, SIDE)) for picture in row]
            for picture, letter in zip(row, " ABCDEFGHIJ", strict=False):
                ImageDraw.Draw(picture).text((6, 4), f"{number}{letter}", fill="white")
            rows.append(row)
        if rows:
            save_picture(sheet(rows, gap=4), out / f"{folder.name}.png")
    (out / "key.json").write_text(json.dumps(key, indent=1) + "\n", encoding="utf-8")


def count(out: Path, answers: list[Path]) -> None:
    """Print how often each method was chosen."""
    key = json.loads((out / "key.json").read_text(encoding="utf-8"))
    picks: dict[str, list[str]] = {}
    for file in answers:
        for edit, row, column in csv.reader(file.read_text(encoding="utf-8").split()):
            order = key[f"{edit},{row}"]
            best = "" if column == "-" else order["ABCDEFGHIJ".index(column)]
            picks.setdefault(f"{edit},{row}", []).append(best)
    guess = sum(1 / len(key[row]) for row in picks) / len(picks)
    print(f"{len(picks)} rows, {len(answers)} times; guessing gives {guess:.0%}")
    shares: dict[str, list[float]] = {}
    for row, best in picks.items():  # whoever chooses, the rows are the same
        for name in key[row]:
            shares.setdefault(name, []).append(best.count(name) / len(best))
    for name, share in sorted(shares.items(), key=lambda item: -sum(item[1])):
        mean, half = estimate(torch.tensor(share))
        print(f"{name:20} {mean:.0%} ± {half:.0%} of {len(share)} rows")


if __name__ == "__main__":
    main()
