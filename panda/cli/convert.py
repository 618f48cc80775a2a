"""``panda convert``: any container into safetensors, without running code of the file."""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from panda.cli.options import Parser, Verbs, add_json, add_verb, existing
from panda.cli.output import print_json
from panda.errors import PandaError
from panda.files.writing import staging
from panda.generators.options import read_options
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
        " tensors as safetensors. What makes no generator is refused. --set records options of the"
        " network that the file does not.",
        """
panda convert network-snapshot.pkl --out network.safetensors
panda convert G.pth --set final_tanh=true --set mapping_lr_mul=0.01 --out G.safetensors
""",
    )
    verb.add_argument(
        "checkpoint", metavar="CHECKPOINT", type=existing, help="a file, or a folder of files"
    )
    verb.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE",
        help="a new file, such as network.safetensors",
    )
    verb.add_argument(
        "--set",
        type=_setting,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option that the file does not record, as a warning names it; may be given several"
        " times (default: none)",
    )
    add_json(verb)


def _setting(text: str) -> tuple[str, Any]:
    """Read an option and its value, which is JSON or else text."""
    name, _, value = text.partition("=")
    if not (name and value):
        raise argparse.ArgumentTypeError(
            f"{text!r:.80} is no option and value, such as final_tanh=true"
        )
    try:
        return name, json.loads(value)
    except (ValueError, RecursionError):
        return name, value


def _check_new(out: Path) -> None:
    """Raise `PandaError` unless a path can become a new safetensors file."""
    if out.suffix != ".safetensors":
        suggested = out.with_suffix(".safetensors") if out.name else "network.safetensors"
        raise PandaError(
            f"--out {out} is not named as what is written, safetensors; give --out {suggested}"
        )
    if os.path.lexists(out):
        raise PandaError(f"--out {out} is there already, and no file is replaced; give another")


def run(options: argparse.Namespace) -> None:
    """Convert one checkpoint that makes a generator, and say what it is."""
    _check_new(options.out)
    import torch

    from panda.checkpoints.digest import with_digest
    from panda.checkpoints.read import read_checkpoint
    from panda.checkpoints.tensors import save_checkpoint

    checkpoint = read_checkpoint(options.checkpoint)
    if options.set:  # by which it is another generator than the file's
        settings = {**checkpoint.options, **dict(options.set)}
        checkpoint = replace(checkpoint, options=settings, digest="")
    name, architecture = recognize(checkpoint)
    with staging(options.out) as work:
        save_checkpoint(work, with_digest(checkpoint))
        # A checkpoint that makes no generator is not worth writing.
        values = read_options(architecture.options, {}, "this file")
        architecture.build(checkpoint, torch.device("cpu"), torch.float32, **values)
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
