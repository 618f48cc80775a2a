"""``panda convert``: out of any container, into safetensors, without running code of the file."""

from __future__ import annotations

import argparse
import sys

import torch

from panda.checkpoints.read import read_checkpoint
from panda.checkpoints.tensors import save_checkpoint
from panda.files.writing import staging
from panda.generators.registry import recognize


def convert(options: argparse.Namespace) -> None:
    """Convert one checkpoint that makes a generator, and say what it is."""
    checkpoint = read_checkpoint(options.checkpoint)
    name, architecture = recognize(checkpoint)
    with staging(options.out) as work:
        save_checkpoint(work, checkpoint)
        # What cannot be opened is not worth keeping.
        architecture.build(checkpoint, torch.device("cpu"), torch.float32)
    print(
        f"{options.out}: {name}, {len(checkpoint.tensors)} tensors of a"
        f" {checkpoint.container} file",
        file=sys.stderr,
    )
