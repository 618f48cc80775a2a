"""Train one mini generator: ``python -m training.mini stylegan2``. Stop it at any time; the same
command goes on where it was."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from panda.checkpoints.checkpoint import Checkpoint
from panda.checkpoints.tensors import save_checkpoint
from panda.zoo.cache import home

from .codes import load_codes
from .data import load
from .labels import load_labels
from .loop import Recipe, Run
from .students import STUDENTS, Student


def main() -> None:
    """Read the command line, train, write the generator."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("architecture", choices=STUDENTS)
    parser.add_argument("--images", type=int, default=400_000, help="real images to look at")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--faces", type=int, help="train on the first so many faces only")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    student = STUDENTS[options.architecture]
    recipe = Recipe(options.architecture, options.images, options.batch, examples=student.examples)
    folder = options.folder or home() / "training" / options.architecture
    faces = load("train", options.faces)
    labels = load_labels("train", len(faces)) if student.classes else None
    codes = load_codes("train", len(faces))
    run = Run(recipe, folder, torch.device(options.device), faces, codes, labels)
    run.train()
    export(run.finished(), folder / "generator.safetensors")


def export(student: Student, path: Path) -> None:
    """Write a finished generator under its official names; weights in half precision."""
    learned = dict(student.network.named_parameters())
    tensors = {
        name: value.half() if name in learned else value
        for name, value in student.network.state_dict().items()
    }
    save_checkpoint(path, Checkpoint("safetensors", tensors, student.config()))


if __name__ == "__main__":
    main()
