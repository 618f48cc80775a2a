"""Networks of absurd shapes: arguments and tensors of good checkpoints, changed at random.

    python tests/checkpoints/fuzz_networks.py --mutations 2000

Where `fuzz.py` damages bytes, this damages what a reader made of them, and has the backends build
the network and make one image, for each small file of tests/goldens, in separate processes.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from guard import Guard

sys.path.insert(0, str(Path(__file__).parents[1]))
from golden_files import FILES, FOLDER

from panda.checkpoints.checkpoint import Checkpoint
from panda.checkpoints.read import read_checkpoint
from panda.generators.registry import recognize

VALUES: list[Any] = [None, True, 0, 1, 2, 3, 7, 64, -1, 1 << 20, 1 << 40, 1 << 80, 0.5, -2.0, 1e300]
VALUES += ["", "x", "linear", "torch.nn.ReLU", "os.system", [], {}, [1], [0] * 4, {"a": 1}, [[]]]
SIZES = [0, 1, 2, 3, 5, 8, 16, 64, 4096]


def changed(checkpoint: Checkpoint, dice: random.Random) -> Checkpoint:
    """The same checkpoint with one to three facts or tensors changed."""
    config = json.loads(json.dumps(dict(checkpoint.config)))
    tensors = dict(checkpoint.tensors)
    for _ in range(dice.choice([1, 1, 2, 3])):
        if config and dice.random() < 0.6:
            _change_value(config, dice)
        else:
            _change_tensor(tensors, dice)
    return Checkpoint(checkpoint.container, tensors, config)


def _change_value(where: Any, dice: random.Random) -> None:
    key = dice.choice(sorted(where)) if isinstance(where, dict) else dice.randrange(len(where))
    if isinstance(where[key], dict | list) and where[key] and dice.random() < 0.8:
        _change_value(where[key], dice)
    elif isinstance(where, dict) and dice.random() < 0.2:
        del where[key]
    else:
        where[key] = dice.choice(VALUES)


def _change_tensor(tensors: dict[str, torch.Tensor], dice: random.Random) -> None:
    name = dice.choice(sorted(tensors))
    tensor = tensors.pop(name)
    match dice.randrange(7):
        case 0:
            return
        case 1:
            name = dice.choice([name + "x", name.replace("4", "9"), "", name.upper(), "b999.conv"])
        case 2:
            tensor = tensor.to(dice.choice([torch.int64, torch.bool, torch.float16, torch.uint8]))
        case 3 if tensor.ndim:
            sizes = list(tensor.shape)
            sizes[dice.randrange(len(sizes))] = dice.choice(SIZES)
            tensor = torch.ones(sizes) if torch.Size(sizes).numel() < 1 << 24 else tensor[:1]
        case 4:
            tensor = tensor[None] if dice.random() < 0.5 else tensor.reshape(-1)
        case 5:
            tensor = tensor * dice.choice([0.0, 1e30, -1.0])
        case _:
            other = dice.choice(sorted(tensors))
            tensor, tensors[other] = tensors[other], tensor
    tensors[name] = tensor


def fuzz(file: str, count: int, seed: int) -> dict[str, object]:
    """Build ``count`` changed networks of a file, and make an image with those that open."""
    dice = random.Random(f"{file} {seed}")
    good = read_checkpoint(FOLDER / file)
    cpu = torch.device("cpu")

    def build(checkpoint: Checkpoint) -> None:
        generator = recognize(checkpoint)[1].build(checkpoint, cpu, torch.float32)
        with torch.no_grad():
            image = generator.forward(generator.sample([0]))
        assert image.shape == (1, generator.channels, *generator.size)

    for every in FILES:  # so that all that is needed is imported
        build(read_checkpoint(FOLDER / every))
    guard = Guard()
    counts = {"built": 0, "refused": 0}
    for number in range(count):
        mutant = changed(good, dice)
        sentence = guard.watch(f"mutant {number}", lambda: build(mutant))  # noqa: B023
        counts["built" if sentence is None else "refused"] += 1
    facts = {"slowest": guard.slowest, "mebibytes": guard.mebibytes, "problems": guard.problems}
    return {**counts, **facts}


def main() -> int:
    """Run every file and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", metavar="FILE", help=", ".join(FILES))
    parser.add_argument("--mutations", type=int, default=2000, help="(%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        print(json.dumps(fuzz(options.files[0], options.mutations, options.seed)))
        return 0
    failed = False
    print(f"{'file':46} built refused  slowest    memory")
    for file in options.files or FILES:
        command = [sys.executable, "-W", "ignore", __file__, file, "--here"]
        command += [f"--mutations={options.mutations}", f"--seed={options.seed}"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            print(f"{file} died with {done.returncode}: {done.stderr[-3000:]}")
            failed = True
            continue
        result = json.loads(done.stdout)
        row = "{file:45} {built:6} {refused:7} {slowest:7.2f} s {mebibytes:5.0f} MiB"
        print(row.format(file=file, **result), flush=True)
        for problem in result["problems"][:8]:
            print(f"  {problem[-900:]}")
        failed |= bool(result["problems"])
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
