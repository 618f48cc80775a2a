"""Train mini generators: ``python -m training.mini stylegan2``, or several at once. Stop it at any
time; the same command goes on where it was."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import torch

from panda.checkpoints.checkpoint import Checkpoint
from panda.checkpoints.tensors import save_checkpoint
from panda.zoo.cache import home, staging

from .codes import load_codes
from .data import load
from .labels import load_labels
from .loop import Recipe, Run, train
from .students import STUDENTS, Student

FACTS = "run.json"


def main() -> None:
    """Read the command line, train, write the generators."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("architectures", nargs="+", choices=STUDENTS)
    parser.add_argument("--images", type=int, default=400_000, help="how many each makes in all")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--faces", type=int, help="train on the first so many faces only")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--folder", type=Path, default=home() / "training")
    options = parser.parse_args()
    torch.set_float32_matmul_precision("high")
    device = torch.device(options.device)
    faces = load("train", options.faces).to(device)
    codes = load_codes("train", len(faces)).to(device)
    runs = []
    for name in options.architectures:
        student = STUDENTS[name]
        # A larger batch has less noise: its rate grows with the root of its size.
        rate = student.learning_rate * (options.batch / 16) ** 0.5
        recipe = Recipe(name, options.images, options.batch, rate, examples=student.examples)
        labels = load_labels("train", len(faces)) if student.classes else None
        runs.append(Run(recipe, options.folder / name, device, faces, codes, labels))
    train(runs)
    for run in runs:
        export(run.finished(), run.folder / "generator.safetensors")
        facts = {"images": run.seen, "faces": len(faces), "recipe": asdict(run.recipe)}
        with staging(run.folder / FACTS) as path:
            path.write_text(json.dumps(facts, indent=1) + "\n")


def export(student: Student, path: Path) -> None:
    """Write a finished generator under its official names; weights in half precision."""
    learned = dict(student.network.named_parameters())
    tensors = {
        name: (value.half() if name in learned else value).cpu()
        for name, value in student.network.state_dict().items()
    }
    save_checkpoint(path, Checkpoint("safetensors", tensors, student.config()))


if __name__ == "__main__":
    main()
