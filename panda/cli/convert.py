"""``panda convert``: any container into safetensors, without running code of the file."""

from __future__ import annotations

import argparse
from pathlib import Path

from panda.cli.options import Parser, Verbs, add_json, add_verb, existing
from panda.cli.output import print_json
from panda.files.writing import staging
from panda.generators.registry import recognize
from panda.notes import note


def add(verbs: Verbs[Parser]) -> None:
    """Add the verb."""
    verb = add_verb(
        verbs,
        "convert",
        run,
        "convert a checkpoint file to safetensors",
        "Read a checkpoint of any known container, without running code of the file, and write its"
        " tensors as safetensors. What makes no generator is refused.",
        "panda convert network-snapshot.pkl --out network.safetensors",
    )
    verb.add_argument(
        "checkpoint", metavar="CHECKPOINT", type=existing, help="a file, or a folder of files"
    )
    verb.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="such as network.safetensors"
    )
    add_json(verb)


def run(options: argparse.Namespace) -> None:
    """Convert one checkpoint that makes a generator, and say what it is."""
    import torch

    from panda.checkpoints.read import read_checkpoint
    from panda.checkpoints.tensors import save_checkpoint

    checkpoint = read_checkpoint(options.checkpoint)
    name, architecture = recognize(checkpoint)
    with staging(options.out) as work:
        save_checkpoint(work, checkpoint)
        # A checkpoint that makes no generator is not worth writing.
        architecture.build(checkpoint, torch.device("cpu"), torch.float32)
    count = len(checkpoint.tensors)
    note(f"{options.out}: {name}, {count} tensors of a {checkpoint.container} file")
    if options.json:
        print_json(
            {
                "out": options.out,
                "architecture": name,
                "container": checkpoint.container,
                "tensors": count,
                "parameters": sum(tensor.numel() for tensor in checkpoint.tensors.values()),
            }
        )
