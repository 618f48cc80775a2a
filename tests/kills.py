"""Commands that are killed (SIGKILL) at random moments, and run again.

    python tests/kills.py --times 100

Half of the moments are times, half are events on the file system (the n-th file that is opened to
be written, folder made, file renamed or removed). After each kill the result is either the earlier
one, which most commands find in their folder, or the new one, and whole; of one that grows, a
folder of figures, each file is from one of the two, and none is missing that was there before. The
same command, run again, gives the very bytes of a run that nobody disturbed, and leaves nothing
else behind. The clocks that times in results are read from stand still.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from killed_commands import COMMANDS, Command, Contents
from safetensors.torch import load

from panda.files.ownership import MANIFEST

EVENTS = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree"}
WRITING = os.O_WRONLY | os.O_RDWR


def of_result(contents: Contents, command: Command) -> Contents:
    """What is the result's, without what has a temporary name.

    Of one that grows, the list of its files is left out: it may list what is about to come.
    """
    listing = f"{command.result}/{MANIFEST}" if command.grows else ""
    return {
        (name, content)
        for name, content in contents
        if Path(name).parts[: len(Path(command.result).parts)] == Path(command.result).parts
        and not any(part.startswith(".") for part in Path(name).parts)
        and name != listing
    }


def run(
    command: Callable[[], int], at_event: int = 0, after: float = 0.0
) -> tuple[int, float, int]:
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
            code = command()
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
    kept = command.folder.with_name("kept")
    command.folder.mkdir()
    code, *_ = run(command.prepare)
    assert code == 0, f"the earlier results ended with {code}"
    earlier = of_result(command.contents(), command)
    command.folder.rename(kept)
    shutil.copytree(kept, command.folder)
    code, seconds, events = run(command.run)
    assert code == 0, f"undisturbed, it ended with {code}"
    expected = command.contents()
    result = of_result(expected, command)
    assert not earlier or not result <= earlier, "the earlier results are those that come"
    for number in range(times):
        shutil.rmtree(command.folder)
        shutil.copytree(kept, command.folder)
        if number % 2:
            code, *_ = run(command.run, after=dice.uniform(0, seconds))
        else:
            code, *_ = run(command.run, at_event=dice.randint(1, events))
        counts["killed" if code < 0 else "finished before"] += 1
        found = of_result(command.contents(), command)
        assert found <= result | earlier, f"wrong: {_names(found - result - earlier)}"
        lost = {name for name, _ in earlier} - {name for name, _ in found}
        assert not (command.grows and lost), f"lost: {sorted(lost)}"
        assert command.grows or found in (earlier, result), f"part of it: {_names(found)}"
        counts["whole result after the kill"] += found == result
        code, *_ = run(command.run)
        if command.once and found == result:  # and an empty folder that the next write removes
            assert code == 2, f"run again, it ended with {code}"
            found = of_result(command.contents(), command)
            assert found == result, f"changed by a refusal: {_names(found ^ result)}"
            continue
        assert code == 0, f"run again, it ended with {code}"
        found = command.contents()
        assert found <= expected, f"other than undisturbed, or left: {differences(found, expected)}"
        assert found == expected, f"lacking: {_names(expected - found)}"
        print(".", end="", file=sys.stderr, flush=True)
    return counts


def differences(found: Contents, expected: Contents) -> str:
    """Return the names of what differs, and by how much where it is tensors."""
    other, words = dict(expected), [_names(found - expected)]
    for name, content in found - expected:
        if name.endswith(".safetensors") and name in other:
            tensors = load(other[name])
            off = {k: float((t - tensors[k]).abs().max()) for k, t in load(content).items()}
            words.append(f"{name} is off by {off}")
    return "; ".join(words)


def _names(contents: Contents) -> str:
    return ", ".join(sorted({name for name, _ in contents}))


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
