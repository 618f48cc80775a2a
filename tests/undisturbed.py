"""The same command again and again, each time in a process of its own: are all bytes the same?

    python tests/undisturbed.py compare-minis --times 30 --threads 1,2

The clocks that times in results are read from stand still. Printed is, for each number of threads,
how many different results there were; then which files differ, and how far tensors in them are off.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import torch
from killed_commands import COMMANDS, Contents
from kills import differences


def run_once(verb: str, folder: Path, threads: int) -> int:
    """Run a command on its earlier results, in this process, with frozen clocks."""
    torch.set_num_threads(threads)
    time.perf_counter = time.process_time = time.monotonic = lambda: 0.0
    folder.mkdir()
    command = COMMANDS[verb](folder)
    return command.prepare() or command.run()


def result_of(verb: str, threads: int, scratch: Path) -> Contents:
    """Run a command in a process of its own, and return everything that it wrote."""
    folder = scratch / "folder"  # always the same one, which pages and settings name
    subprocess.run(
        [sys.executable, __file__, verb, "--threads", str(threads), "--into", str(folder)],
        check=True,
        capture_output=True,
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
    )
    contents = COMMANDS[verb](folder).contents()
    shutil.rmtree(folder)
    return contents


def compare_results(verb: str, times: int, counts: list[int]) -> int:
    """Compare the results of each number of threads, and print a line for each; return how many."""
    results = {threads: Counter[frozenset]() for threads in counts}
    with tempfile.TemporaryDirectory() as scratch:
        for threads in counts:
            for _ in range(times):
                results[threads][frozenset(result_of(verb, threads, Path(scratch)))] += 1
                print(".", end="", file=sys.stderr, flush=True)
            print(f"{verb}, {threads} threads: {len(results[threads])} results in {times} runs")
    every = sum(results.values(), Counter())
    first = set(every.most_common(1)[0][0])
    for other in every:
        if other != first:
            print(f"against the most frequent result: {differences(set(other), first)}")
    return len(every)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("verb", choices=COMMANDS)
    parser.add_argument("--times", type=int, default=30)
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--into", type=Path, help="run once, into this folder")
    options = parser.parse_args()
    numbers = [int(number) for number in options.threads.split(",")]
    if options.into:
        sys.exit(run_once(options.verb, options.into, numbers[0]))
    sys.exit(compare_results(options.verb, options.times, numbers) > 1)
