"""Commands that are killed (SIGKILL) at random moments, and run again.

    python tests/kills.py --times 100

Half of the moments are times, half are events on the file system (the n-th file that is opened to
be written, folder made, file renamed or removed). After each kill the result is either absent or
whole; of one that grows, a folder of figures, each file that is there is whole. The same command,
run again, gives the very bytes of a run that nobody disturbed, and leaves nothing else behind. The
clocks that times in results are read from stand still.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from conftest import GOLDENS, TinyGenerator
from safetensors.torch import load
from web_server import WebServer

from panda.checkpoints import read, tensors
from panda.cli import catalog, main
from panda.cli import fit as fit_verb
from panda.comparison import report
from panda.evaluation import results
from panda.factorization import journal as resume
from panda.files.cache import home
from panda.generators import registry
from panda.generators.card import Card
from panda.generators.registry import create_generator
from panda.weights import Url, Weights, download
from panda_plugins.stylegan2 import ARCHITECTURE

FILE = GOLDENS / "stylegan2-sg3repo" / "network.pkl"
FACES = GOLDENS / "stylegan2-genforce" / "checkpoint.pth"
EVENTS = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree"}
WRITING = os.O_WRONLY | os.O_RDWR
assert all((read, tensors, report, results))  # what verbs import, once, before anything is forked

Contents = set[tuple[str, bytes]]
"""Every file and folder, by its path, and every line of those that are written line by line."""


@dataclass(frozen=True)
class Command:
    """What is run, in a folder of its own, and where its result lies in that."""

    run: Callable[[], int]
    folder: Path
    result: str
    left: tuple[str, ...] = ()
    """What may stay in the folder beside the result: patterns of paths."""
    grows: bool = False

    def contents(self) -> Contents:
        """All that there is in the folder but for what may stay."""
        found: Contents = set()
        for path in self.folder.rglob("*"):
            name = str(path.relative_to(self.folder))
            if any(fnmatch.fnmatch(name, pattern) for pattern in self.left):
                continue
            if path.is_dir():
                found.add((f"{name}/", b""))
            elif path.suffix == ".jsonl":
                found |= {(name, line) for line in path.read_bytes().splitlines() if _whole(line)}
            else:
                found.add((name, path.read_bytes()))
        return found


def _whole(line: bytes) -> bool:
    """Whether it is a row of figures; a kill may leave the beginning of one."""
    try:
        return bool(json.loads(line))
    except ValueError:
        return False


def of_result(contents: Contents, command: Command) -> Contents:
    """What is the result's, without what has a temporary name."""
    return {
        (name, content)
        for name, content in contents
        if Path(name).parts[: len(Path(command.result).parts)] == Path(command.result).parts
        and not any(part.startswith(".") for part in Path(name).parts)
    }


def run(command: Command, at_event: int = 0, after: float = 0.0) -> tuple[int, float, int]:
    """Run it in a process of its own, killed at an event or a time, if any is given.

    Returns the status (negative where it was killed), the seconds, and the number of events.
    """
    reader, writer = os.pipe()
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        time.perf_counter = time.process_time = time.monotonic = lambda: 0.0
        seen = 0

        def hear(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal seen
            if event in EVENTS or (event == "open" and arguments[2] & WRITING):
                seen += 1
                if seen == at_event:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hear)
        code = 70
        try:
            code = command.run()
        finally:
            os.write(writer, str(seen).encode())
            os._exit(code)
    os.close(writer)
    if after:
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    seconds = time.monotonic() - started
    seen = int(os.read(reader, 20) or b"0")
    os.close(reader)
    return os.waitstatus_to_exitcode(status), seconds, seen


def torment(command: Command, times: int, seed: int) -> dict[str, int]:
    """Kill a command so often, and check what is left each time; how many kills struck."""
    dice = random.Random(seed)
    counts = {"killed": 0, "finished before": 0, "whole result after the kill": 0}
    code, seconds, events = run(command)
    assert code == 0, f"undisturbed, it ended with {code}"
    expected = command.contents()
    result = of_result(expected, command)
    for number in range(times):
        shutil.rmtree(command.folder)
        command.folder.mkdir()
        if number % 2:
            code, *_ = run(command, after=dice.uniform(0, seconds))
        else:
            code, *_ = run(command, at_event=dice.randint(1, events))
        counts["killed" if code < 0 else "finished before"] += 1
        found = of_result(command.contents(), command)
        assert found <= result, f"wrong: {_names(found - result)}"
        assert command.grows or not found or found == result, f"part of it: {_names(found)}"
        counts["whole result after the kill"] += found == result
        code, *_ = run(command)
        assert code == 0, f"run again, it ended with {code}"
        found = command.contents()
        assert found <= expected, f"other than undisturbed, or left: {_told(found, expected)}"
        assert found == expected, f"lacking: {_names(expected - found)}"
        print(".", end="", file=sys.stderr, flush=True)
    return counts


def _told(found: Contents, expected: Contents) -> str:
    """The names of what differs, and by how much where it is tensors."""
    other, words = dict(expected), [_names(found - expected)]
    for name, content in found - expected:
        if name.endswith(".safetensors") and name in other:
            tensors = load(other[name])
            off = {k: float((t - tensors[k]).abs().max()) for k, t in load(content).items()}
            words.append(f"{name} is off by {off}")
    return "; ".join(words)


def _names(contents: Contents) -> str:
    return ", ".join(sorted({name for name, _ in contents}))


def fit(folder: Path) -> Command:
    """Fit factors, with a journal that is written after every block."""
    arguments = ["fit", "tiny", "b", "--parts", "2", "--seeds", "0-95", "--out", str(folder / "f")]

    def run() -> int:
        resume.SECONDS = -1.0
        fit_verb.create_generator = lambda name, device: TinyGenerator()
        return main(arguments)

    return Command(run, folder, "f")


def conversion(folder: Path) -> Command:
    """Convert a checkpoint."""
    arguments = ["convert", str(FILE), "--out", str(folder / "x.safetensors")]
    return Command(lambda: main(arguments), folder, "x.safetensors")


def fetching(folder: Path) -> Command:
    """Fetch weights from a server on this machine."""
    server = WebServer()
    server.files["/net.pkl"] = FILE.read_bytes()
    source = Url({"net.pkl": f"{server.address}/net.pkl"})
    size = create_generator(str(FILE)).resolution
    mine = Weights("toy", source, ARCHITECTURE, size)
    card = Card("StyleGAN2", "random", size, "MIT", "here", mine.load, mine)

    def run() -> int:
        registry.cards = catalog.cards = lambda: {"toy": card}
        download.CHUNK, download.PAUSE = 1 << 14, 0.0
        os.environ |= {"no_proxy": "127.0.0.1", "PANDA_HOME": str(folder)}
        return main(["fetch", "toy"])

    left = (".lock", "downloads", "downloads/????????", "downloads/????????/net.pkl.json")
    return Command(run, folder, str(mine.path.relative_to(home())), left)


def comparison(folder: Path) -> Command:
    """Compare two of the mini generators at two levels."""
    names = ["mini-stylegan2-faces-64", "mini-proggan-faces-64"]
    arguments = ["compare", *names, "--quick", "--no-faces", "--levels", "8,4", "--samples", "8"]
    arguments += ["--parts", "2", "--scored", "1", "--out", str(folder / "out")]

    def run() -> int:
        resume.SECONDS = -1.0
        return main(arguments)

    return Command(run, folder, "out", ("out/.lock",), grows=True)


def locality(folder: Path) -> Command:
    """Benchmark three kinds of methods on a few images of a small network."""
    methods = ["sefa:components=2", "style=stylespace:images=1:samples=5:probes=1:channels=2"]
    methods += ["panda:layers=8.conv1@3:samples=6:appearances=2"]
    arguments = ["benchmark", "locality", str(FACES), "--edits", "eyes,nose", "--no-faces"]
    arguments += [word for method in methods for word in ("--method", method)]
    arguments += ["--n", "6", "--strength", "0.05", "--select", "1", "--shortlist", "1"]
    arguments += ["--pictures", "2", "--out", str(folder / "out")]
    return Command(lambda: main(arguments), folder, "out", ("out/.*.lock",), grows=True)


def training(folder: Path) -> Command:
    """Train a mini generator for a few steps, on noise; needs the weights of its frozen network."""
    sys.path.append(str(Path(__file__).parents[1]))  # the folder is not installed
    from training import mini

    cache, dice = folder.with_name("cache"), np.random.default_rng(0)
    faces = cache / "training" / "faces-64"
    faces.mkdir(parents=True)
    (cache / "models").symlink_to(home() / "models")
    np.save(faces / "train-0000.npy", dice.integers(0, 256, (500, 3, 64, 64), dtype=np.uint8))
    with (faces / "train-0000.w").open("wb") as file:
        np.save(file, dice.standard_normal((500, 512), dtype=np.float32))
    arguments = ["stylegan2", "--faces", "40", "--images", "16", "--batch", "4"]
    arguments += ["--device", "cpu", "--folder", str(folder / "out")]

    def run() -> int:
        os.environ["PANDA_HOME"] = str(cache)
        sys.argv[1:] = arguments
        mini.main()
        return 0

    # What it goes on from holds the same numbers, pickled in one way or another; what it draws for
    # people on the way has noise of its own.
    left = ("out/*state.pt", "out/*samples-*.png", "out/*.lock")
    return Command(run, folder, "out", left, grows=True)


COMMANDS = {
    "convert": conversion,
    "fetch": fetching,
    "fit": fit,
    "compare": comparison,
    "benchmark": locality,
    "training": training,
}


def torment_all() -> int:
    """Torment each command and print a line for it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("verbs", nargs="*", help=", ".join(COMMANDS))
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for verb in options.verbs or COMMANDS:
        with tempfile.TemporaryDirectory() as scratch:
            counts = torment(COMMANDS[verb](Path(scratch) / "folder"), options.times, options.seed)
        print(f"{verb}: " + ", ".join(f"{count} {what}" for what, count in counts.items()))
    return 0


if __name__ == "__main__":
    sys.exit(torment_all())
