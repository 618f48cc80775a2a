"""Commands that are killed (SIGKILL) at random moments, and run again.

    python tests/kills.py --times 100

Half of the moments are times, half are events on the file system (the n-th file opened, folder
made, file renamed). After each kill the result is either absent or whole; the same command, run
again, gives the very bytes of a run that nobody disturbed, and leaves nothing else behind.
"""

from __future__ import annotations

import argparse
import hashlib
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

import torch
from conftest import GOLDENS, TinyGenerator
from web_server import WebServer

from panda import registry, resume
from panda.cli import catalog, convert, fitting, main
from panda.factors import Factors
from panda.registry import create_generator
from panda.zoo import Card, Url, Weights, download
from panda_plugins.stylegan2 import ARCHITECTURE

FILE = GOLDENS / "stylegan2-sg3repo" / "network.pkl"
EVENTS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree"}
assert all((catalog, convert, create_generator))  # imported once, before anything is forked


@dataclass(frozen=True)
class Command:
    """A verb's arguments, where its result lies, and what must be alike in two results."""

    arguments: list[str]
    result: Path
    essence: Callable[[Path], object]
    left: set[str]
    """What may stay in the folder, beside the result."""


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
        seen = 0

        def hear(event: str, _: object) -> None:
            nonlocal seen
            if event in EVENTS:
                seen += 1
                if seen == at_event:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hear)
        code = 70
        try:
            code = main(command.arguments)
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


def torment(make: Callable[[Path], Command], times: int, seed: int) -> dict[str, int]:
    """Kill a command so often, and check what is left each time; how many kills struck."""
    dice = random.Random(seed)
    counts = {"killed": 0, "finished before": 0, "whole result after the kill": 0}
    with tempfile.TemporaryDirectory() as scratch:
        quiet = make(Path(scratch) / "undisturbed")
        code, seconds, events = run(quiet)
        assert code == 0, f"undisturbed, it ended with {code}"
        expected = quiet.essence(quiet.result)
        for number in range(times):
            folder = Path(scratch) / "disturbed"
            command = make(folder)
            if number % 2:
                code, *_ = run(command, after=dice.uniform(0, seconds))
            else:
                code, *_ = run(command, at_event=dice.randint(1, events))
            counts["killed" if code < 0 else "finished before"] += 1
            if command.result.exists():
                assert command.essence(command.result) == expected, "a wrong result"
                counts["whole result after the kill"] += 1
            code, *_ = run(command)
            assert code == 0, f"run again, it ended with {code}"
            assert command.essence(command.result) == expected, "another result"
            found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
            files = command.result.rglob("*") if command.result.is_dir() else [command.result]
            strange = found - {str(path.relative_to(folder)) for path in files} - command.left
            assert not strange, f"left behind: {strange}"
            shutil.rmtree(folder)
            print(".", end="", file=sys.stderr, flush=True)
    return counts


def fit(folder: Path) -> Command:
    """Fit factors, with a journal that is written after every block."""
    resume.SECONDS = 0.0
    fitting.create_generator = lambda name, device: TinyGenerator()
    folder.mkdir(parents=True, exist_ok=True)
    arguments = ["fit", "tiny", "b", "--parts", "2", "--seeds", "0-95", "--out", str(folder / "f")]

    def essence(result: Path) -> object:
        factors = Factors.load(result)
        config = {name: value for name, value in factors.config.items() if name != "seconds"}
        return config, {name: t.numpy().tobytes() for name, t in factors._tensors().items()}

    return Command(arguments, folder / "f", essence, set())


def conversion(folder: Path) -> Command:
    """Convert a checkpoint."""
    out = folder / "x.safetensors"
    return Command(["convert", str(FILE), "--out", str(out)], out, Path.read_bytes, set())


def fetching(server: WebServer) -> Callable[[Path], Command]:
    """Fetch weights from a server on this machine."""
    server.files["/net.pkl"] = FILE.read_bytes()
    source = Url({"net.pkl": f"{server.address}/net.pkl"})
    size = create_generator(str(FILE)).resolution
    mine = Weights("toy", source, ARCHITECTURE, size)
    card = Card("StyleGAN2", "random", size, "MIT", "here", mine.load, mine)
    registry.cards = catalog.cards = lambda: {"toy": card}
    download.CHUNK, download.PAUSE = 1 << 14, 0.0
    os.environ["no_proxy"] = "127.0.0.1"

    def make(folder: Path) -> Command:
        os.environ["PANDA_HOME"] = str(folder)
        place = hashlib.sha256(source.description.encode()).hexdigest()[:8]
        left = {".lock", f"downloads/{place}/net.pkl.json"}
        return Command(["fetch", "toy"], mine.path, Path.read_bytes, left)

    return make


def torment_all() -> int:
    """Torment each command and print a line for it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("verbs", nargs="*", default=["convert", "fetch", "fit"])
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    server = WebServer()
    commands = {"convert": conversion, "fetch": fetching(server), "fit": fit}
    for verb in options.verbs:
        counts = torment(commands[verb], options.times, options.seed)
        print(f"{verb}: " + ", ".join(f"{count} {what}" for what, count in counts.items()))
    server.close()
    return 0


if __name__ == "__main__":
    sys.exit(torment_all())
