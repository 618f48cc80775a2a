"""Train mini generators: ``python -m training.mini stylegan2``, or several at once. Stop it at any
time; the same command goes on where it was."""

from __future__ import annotations

import argparse
import json
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from panda.checkpoints.checkpoint import Checkpoint
from panda.checkpoints.read import read_checkpoint
from panda.checkpoints.tensors import save_checkpoint
from panda.errors import PandaError
from panda.resume import alone
from panda.zoo.cache import home, staging

from .codes import load_codes
from .data import load
from .labels import load_labels
from .loop import Recipe, Run, train
from .students import STUDENTS, Student

WEIGHTS, FACTS = "generator.safetensors", "run.json"


def main() -> None:
    """Read the command line, train, write the generators."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("architectures", nargs="+", choices=STUDENTS)
    parser.add_argument("--images", type=int, default=400_000, help="how many each makes in all")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--faces", type=int, help="train on the first so many faces only")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--folder", type=Path, default=home() / "training")
    parser.add_argument("--start", type=Path, help="folder of earlier runs to begin from")
    options = parser.parse_args()
    if options.images < 1 or options.batch < 2:
        parser.error("expected at least one image, and batches of at least two")
    device = torch.device(options.device)
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.benchmark = True
    with ExitStack() as held:
        try:
            for name in options.architectures:
                held.enter_context(alone(options.folder / name))
            _train(options, device)
        except PandaError as error:
            raise SystemExit(str(error)) from error


def _train(options: argparse.Namespace, device: torch.device) -> None:
    """All runs, from where they were left, to their ends."""
    faces = load("train", options.faces).to(device)
    codes = load_codes("train", len(faces)).to(device)
    runs = []
    for name in options.architectures:
        student = STUDENTS[name]
        # A larger batch has less noise: its rate grows with the root of its size.
        rate = student.learning_rate * (options.batch / 16) ** 0.5
        before = options.start / name if options.start else None
        examples = student.examples if before is None else 0
        recipe = Recipe(name, options.images, options.batch, rate, examples=examples)
        labels = load_labels("train", len(faces)) if student.classes else None
        run = Run(recipe, options.folder / name, device, faces, codes, labels)
        if before and not run.step:
            run.begin(read_checkpoint(before / WEIGHTS).tensors)
        runs.append(run)
    train(runs)
    for run in runs:
        export(run.finished(), run.folder / WEIGHTS)
        facts: dict[str, Any] = {
            "images": run.seen,
            "faces": len(faces),
            "recipe": asdict(run.recipe),
        }
        if options.start:
            facts["before"] = json.loads(
                (options.start / run.recipe.architecture / FACTS).read_text()
            )
            facts["images"] += facts["before"]["images"]
            facts["faces"] = max(facts["faces"], facts["before"]["faces"])
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
