"""Files that another program changes while they are read: one of two states, or a sentence.

    python tests/races.py --times 100

At a random moment of reading a file or a folder (the n-th time that it is opened, or a time), it is
cut short, removed, made longer, overwritten or exchanged for another one of its kind. What comes of
it must be the content before or after, never a mixture, or one sentence.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from conftest import GOLDENS, TinyGenerator
from PIL import Image

from panda import PandaError
from panda.checkpoints.read import read_checkpoint
from panda.checkpoints.tensors import load_tensors, save_tensors
from panda.editing.edit_files import NamedEdit, read_edits, write_edits
from panda.factorization.factors import Factors
from panda.factorization.fit import fit
from panda.files.exchange import exchange
from panda.files.json_lines import read_json
from panda.files.npy import read_npy
from panda.inversion import Inversion
from panda.photographs.photograph import read_photograph

Read = Callable[[Path], Any]
"""Reads a path, and returns what compares equal for equal content."""


def plain(value: Any) -> Any:
    """Return something that compares equal for equal content."""
    if isinstance(value, torch.Tensor):
        return value.tolist()
    if isinstance(value, Image.Image):
        return value.tobytes()
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    return value


def of_factors(path: Path) -> Any:
    factors = Factors.load(path)
    return plain({**factors._tensors(), "config": dict(factors.config)})


def of_inversion(path: Path) -> Any:
    inversion = Inversion.load(path)
    tensors = {**inversion.latents.tensors, "config": dict(inversion.config)}
    return plain({**tensors, "pictures": inversion.pictures})


def of_checkpoint(path: Path) -> Any:
    checkpoint = read_checkpoint(path)
    return plain({"tensors": dict(checkpoint.tensors), "config": dict(checkpoint.config)})


def kinds(folder: Path) -> Iterator[tuple[str, Read, Path, Path]]:
    """Yield kinds of files: a name, a reader, and two files or folders of the kind."""
    tiny = TinyGenerator()
    first, second = (folder / name for name in ("first", "second"))
    for place, seeds in ((first, range(8)), (second, range(8, 16))):
        place.mkdir()
        factors = fit(tiny, "b", parts=2, seeds=seeds)
        factors.save(place / "factors")
        latents = tiny.sample([seeds[0]])
        images = tiny.forward(latents)
        config = {"pictures": [str(seeds)], "lpips": [0.0], "pixels": [float(seeds[0])]}
        Inversion.of("tiny", latents, images, images, config).save(place / "inversion")
        save_tensors(place / "tensors", factors._tensors(), {})
        edit = NamedEdit("tiny", "b", 12, 2, (f"0:p0:{seeds[0]}",))
        write_edits(place / "edits", {"e": edit})
        write_edits(place / "json", {"e": replace(edit, parts=1)})
        Image.new("RGB", (40, 40), "red" if place == first else "blue").save(place / "photo.png")
        with (place / "matrix.npy").open("wb") as file:
            np.save(file, factors.parts.numpy())
    readers: dict[str, Read] = {
        "factors": of_factors,
        "inversion": of_inversion,
        "tensors": lambda path: plain(load_tensors(path)),
        "edits": read_edits,
        "json": lambda path: read_json(path, "an object"),
        "photo.png": lambda path: plain(read_photograph(path)),
        "matrix.npy": lambda path: plain(read_npy(path)),
    }
    for name, read in readers.items():
        yield name, read, first / name, second / name
    goldens = {
        "pickle": ("stylegan2-sg3repo/network.pkl", "stylegan2-ada/network.pkl"),
        "torch zip": ("proggan-genforce/checkpoint.pth", "stylegan2-genforce/checkpoint.pth"),
    }
    for name, files in goldens.items():
        yield name, of_checkpoint, *(GOLDENS / file for file in files)


@contextmanager
def disturbed(
    path: Path, change: Callable[[], None], at_open: int, after: float
) -> Iterator[list[str]]:
    """Change a file at the n-th time that it, or one in it, is opened, or after some seconds.

    Yields all that is opened of it.
    """
    opened: list[str] = []

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and str(arguments[0]).startswith(str(path)):
            opened.append(str(arguments[0]))
            if len(opened) == at_open:
                change()

    HOOKS.append(hear)
    timer = threading.Timer(after, change)
    if not at_open:
        timer.start()
    try:
        yield opened
    finally:
        HOOKS.remove(hear)
        timer.cancel()
        if timer.is_alive():
            timer.join()


def listen() -> None:
    """Let `HOOKS` hear of events in this process from now on."""
    sys.addaudithook(lambda event, arguments: [hook(event, arguments) for hook in HOOKS] and None)


HOOKS: list[Callable[[str, tuple[Any, ...]], None]] = []
"""What hears of events; an audit hook itself can never be removed."""


def changes(path: Path, other: Path, dice: random.Random) -> dict[str, Callable[[], None]]:
    """Return ways to change a file, or one of a folder, and to exchange all of it."""
    file = dice.choice(sorted(path.iterdir())) if path.is_dir() else path
    place = dice.randrange(file.stat().st_size)
    ways: dict[str, Callable[[], None]] = {
        "cut short": lambda: os.truncate(file, place),
        "removed": file.unlink,
        "longer": lambda: file.write_bytes(file.read_bytes() + b"more"),
        "exchanged": lambda: exchange(other, path),
    }
    if not path.is_dir():  # of which one file of each would be a mixture on the disk
        ways["overwritten"] = lambda: path.write_bytes(other.read_bytes())
    return ways


def copy(source: Path, target: Path) -> None:
    """Copy a file or folder, as one that was written long ago."""
    (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
    for path in (target, *target.rglob("*")):
        os.utime(path, (1e9, 1e9))


def race(read: Read, sources: tuple[Path, Path], times: int, dice: random.Random) -> Counter[str]:
    """Read a file that changes meanwhile, so often; count what came of it."""
    counts: Counter[str] = Counter()
    contents = [read(source) for source in sources]
    started = time.perf_counter()
    with disturbed(sources[0], lambda: None, -1, 0.0) as opened:
        read(sources[0])
    seconds = time.perf_counter() - started
    for number in range(times):
        with tempfile.TemporaryDirectory() as scratch:
            path, other = Path(scratch) / "path", Path(scratch) / "other"
            for source, target in zip(sources, (path, other), strict=True):
                copy(source, target)
            name, change = dice.choice(sorted(changes(path, other, dice).items()))
            moment = dice.randint(1, len(opened)) if number % 2 else 0
            try:
                with disturbed(path, change, moment, dice.uniform(0, seconds)):
                    value = read(path)
            except PandaError:
                counts["a sentence"] += 1
            else:
                assert value in contents, f"{name}: a mixture"
                counts["before" if value == contents[0] else "after"] += 1
    return counts


def race_all(times: int, seed: int) -> None:
    """Race each kind of files, and print a line for it."""
    listen()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        for name, read, first, second in kinds(Path(scratch)):
            counts = race(read, (first, second), times, random.Random(seed))
            print(f"{name}: " + ", ".join(f"{n} {what}" for what, n in sorted(counts.items())))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    race_all(options.times, options.seed)
