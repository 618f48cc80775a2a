"""``panda convert``: out of any container, into safetensors, without running code of the file."""

from __future__ import annotations

import argparse
import sys

from panda.checkpoints.read import read_checkpoint
from panda.checkpoints.tensors import save_checkpoint
from panda.registry import recognize


def convert(options: argparse.Namespace) -> None:
    """Convert one checkpoint, and say what it is."""
    checkpoint = read_checkpoint(options.checkpoint)
    architecture, _ = recognize(checkpoint)
    save_checkpoint(options.out, checkpoint)
    print(
        f"{options.out}: {architecture}, {len(checkpoint.tensors)} tensors of a"
        f" {checkpoint.container} file",
        file=sys.stderr,
    )
