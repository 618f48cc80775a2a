"""Thousands of damaged files of each container, guided by what the readers do with them.

    python tests/checkpoints/fuzz.py --mutations 20000

A mutant that takes a reader along a way no file took before is damaged further. In one
of four, parts are shared, nested or repeated many times; what took a reader longer than all before
is multiplied further. Each container is read in a separate process,
under `guard.Guard`. Exit status 1 where anything but a plain reading or a refusal in one sentence
happened; the file that caused it is kept, and its name printed.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from guard import Guard
from multiplied import multiply
from mutations import mutate
from small_files import CONTAINERS

import panda

READERS = (str(Path(panda.__file__).parent), "pickletools.py")
MOST = 500  # mutants that are damaged further


class Ways:
    """The steps from line to line that the readers have taken so far."""

    def __init__(self) -> None:
        self.known: set[tuple[object, int, int]] = set()

    def new(self, read: Callable[[], object]) -> bool:
        """Read, and say whether a new step was taken."""
        executed: set[tuple[object, int, int]] = set()

        def enter(frame: FrameType, *_: object) -> Callable[..., Any] | None:
            code = frame.f_code
            if not (
                code.co_filename.startswith(READERS[0]) or code.co_filename.endswith(READERS[1])
            ):
                return None
            last = 0

            def step(frame: FrameType, event: str, _: object) -> Callable[..., Any]:
                nonlocal last
                if event == "line":
                    executed.add((code, last, frame.f_lineno))
                    last = frame.f_lineno
                return step

            return step

        sys.settrace(enter)
        try:
            read()
        finally:
            sys.settrace(None)
        new = not executed <= self.known
        self.known |= executed
        return new


def fuzz(
    name: str, count: int, seed: int, folder: Path, guard: Guard | None = None
) -> dict[str, object]:
    """Read ``count`` mutants of a container, each written into ``folder`` first."""
    write, entry, read = CONTAINERS[name]
    dice, ways = random.Random(f"{name} {seed}"), Ways()
    work = folder / "file"
    work.mkdir(parents=True)
    write(work)
    whole = {path.name: path.read_bytes() for path in work.iterdir()}
    corpus, costly, most = [whole], [whole], 0.0
    read(work / entry)  # so that all that is needed is imported
    ways.new(lambda: read(work / entry))
    guard = guard or Guard()
    counts = {"read": 0, "refused": 0}
    sentences = set()
    for number in range(count):
        parent = dice.choice(corpus if dice.random() < 0.7 else corpus[:1])
        if multiplied := dice.random() < 0.25:
            mutant = multiply(dice.choice(costly), dice)
        else:
            mutant = mutate(parent, corpus, dice)
        for file, content in mutant.items():
            (work / file).write_bytes(content)
        new = False

        def attempt(traced: bool = not multiplied) -> None:
            nonlocal new
            if traced:
                new = ways.new(lambda: read(work / entry))
            else:  # whose time is measured, most of which would be the tracer's
                read(work / entry)

        before = len(guard.problems)
        sentence = guard.watch(f"mutant {number}", attempt)
        if multiplied and guard.last > most:
            most = guard.last
            costly = [*costly[-9:], mutant]
        counts["read" if sentence is None else "refused"] += 1
        sentences.add(re.sub(r"[^a-z ]+", "", (sentence or "").replace(str(work), ""))[:60])
        if len(guard.problems) > before:
            shutil.copytree(work, folder / f"mutant-{number}", dirs_exist_ok=True)
        if new and len(corpus) < MOST:
            corpus.append(mutant)
    return {
        **counts,
        "kinds": len(sentences),
        "steps": len(ways.known),
        "slowest": guard.slowest,
        "mebibytes": guard.mebibytes,
        "problems": guard.problems,
    }


def main() -> int:
    """Fuzz one container after the other and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("containers", nargs="*", metavar="CONTAINER", help=", ".join(CONTAINERS))
    parser.add_argument("--mutations", type=int, default=2000, help="(%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--here", type=Path, help=argparse.SUPPRESS)  # the process of a container
    options = parser.parse_args()
    if options.here:
        (name,) = options.containers
        print(json.dumps(fuzz(name, options.mutations, options.seed, options.here)))
        return 0
    failed = False
    kept = Path(tempfile.mkdtemp(prefix="panda-fuzz-"))
    print("container          read refused kinds  steps  slowest   MiB")
    for name in options.containers or CONTAINERS:
        arguments = [name, f"--mutations={options.mutations}", f"--seed={options.seed}"]
        command = [sys.executable, __file__, *arguments, f"--here={kept / name}"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            print(f"{name:17} died with {done.returncode}: {done.stderr[-3000:]}")
            failed = True
            continue
        result = json.loads(done.stdout)
        row = "{name:17} {read:5} {refused:7} {kinds:5} {steps:6} {slowest:6.2f} s {mebibytes:4.0f}"
        print(row.format(name=name, **result), flush=True)
        for problem in result["problems"][:8]:
            print(f"  {problem[-600:]}")
        if result["problems"]:
            failed = True
        else:
            shutil.rmtree(kept / name)
    if failed:
        print(f"the files that did it are in {kept}")
    else:
        kept.rmdir()
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
