"""Train small generators: ``python -m training.mini stylegan2``, or several in one process.

You can stop it at any time; the same command resumes the training.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from panda.checkpoints.checkpoint import Checkpoint
from panda.checkpoints.read import read_checkpoint
from panda.checkpoints.tensors import save_checkpoint
from panda.errors import PandaError
from panda.files.cache import home
from panda.files.locks import hold_folder
from panda.files.writing import staging

from .codes import load_codes
from .data import load_faces
from .labels import CLASSES, load_labels
from .loop import Run, train
from .recipe import Recipe
from .students import STUDENTS, Student

WEIGHTS, FACTS = "generator.safetensors", "run.json"

POLISH: dict[str, Any] = {
    "discriminator_learning_rate": 1e-4,
    "reconstruction_weight": 60.0,
    "final_reconstruction_share": 1.0,
    "decay": 1.0,
}
"""Changes of the recipe for fine-tuning, where too few faces are whole."""


def main() -> None:
    """Read the command line, train, and write the generators."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("architectures", nargs="+", choices=STUDENTS)
    parser.add_argument(
        "--images", type=int, default=400_000, help="images that each generates in all"
    )
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--faces", type=int, help="train on this many faces only")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--folder", type=Path, default=home() / "training")
    parser.add_argument(
        "--start",
        type=Path,
        nargs="+",
        default=[],
        help="folders of earlier runs; training starts from the mean of their weights",
    )
    parser.add_argument(
        "--polish",
        action="store_true",
        help="fine-tune after --start: low learning rates, a high reconstruction weight",
    )
    options = parser.parse_args()
    if options.polish and not options.start:
        parser.error("--polish needs --start: it fine-tunes generators that are already trained")
    if options.images < 1 or options.batch < 2:
        parser.error("expected at least one image, and batches of at least two")
    device = torch.device(options.device)
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.benchmark = True
    with ExitStack() as locks:
        try:
            for name in options.architectures:
                locks.enter_context(hold_folder(options.folder / name))
            _train(options, device)
        except PandaError as error:
            raise SystemExit(str(error)) from error


def _train(options: argparse.Namespace, device: torch.device) -> None:
    """Train all generators, from their checkpoints if there are any, and export them."""
    faces = load_faces("train", options.faces).to(device)
    codes = load_codes("train", len(faces)).to(device)
    runs = []
    for name in options.architectures:
        student = STUDENTS[name]
        # A larger batch has less noise: the learning rate grows with the root of the batch size.
        rate = student.learning_rate * (options.batch / 16) ** 0.5
        pretraining = 0 if options.start else student.pretraining_steps
        recipe = Recipe(name, options.images, options.batch, rate, pretraining_steps=pretraining)
        if options.polish:
            recipe = replace(recipe, learning_rate=0.3 * rate, **POLISH)
        labels = load_labels("train", len(faces)) if student.classes else None
        run = Run(recipe, options.folder / name, device, faces, codes, labels)
        if options.start and not run.step:
            run.initialize(mean_weights([folder / name / WEIGHTS for folder in options.start]))
        runs.append(run)
    train(runs)
    for run in runs:
        export(run.averaged(), run.folder / WEIGHTS)
        facts: dict[str, Any] = {
            "images": run.seen,
            "faces": len(faces),
            "recipe": asdict(run.recipe),
            **({"labels": CLASSES} if run.labels is not None else {}),
        }
        if options.start:
            files = [folder / run.recipe.architecture / FACTS for folder in options.start]
            facts["before"] = [json.loads(file.read_text()) for file in files]
            facts["images"] += max(earlier["images"] for earlier in facts["before"])
            facts["faces"] = max(facts["faces"], *(run["faces"] for run in facts["before"]))
        with staging(run.folder / FACTS) as path:
            path.write_text(json.dumps(facts, indent=1) + "\n")


def mean_weights(files: Sequence[Path]) -> dict[str, Tensor]:
    """Return the mean of the weights of several runs, which is often better than each alone."""
    runs = [read_checkpoint(file).tensors for file in files]
    return {
        name: torch.stack([tensors[name].double() for tensors in runs]).mean(0).to(value.dtype)
        for name, value in runs[0].items()
    }


def export(student: Student, path: Path) -> None:
    """Write a trained generator under its official names, with weights in half precision."""
    learned = dict(student.network.named_parameters())
    tensors = {
        name: (value.half() if name in learned else value).cpu()
        for name, value in student.network.state_dict().items()
    }
    save_checkpoint(path, Checkpoint("safetensors", tensors, student.config()))


if __name__ == "__main__":
    main()
