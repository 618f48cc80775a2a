"""Plant random bugs with mutmut and print the share that no test notices, for each room.

    pip install -c constraints.txt mutmut
    nice python benchmarks/mutants.py --count 100 --seed 0
    mutmut show NAME                                          # what a mutant changes

[tool.mutmut] of pyproject.toml says where bugs are planted and which tests are run. mutmut leaves
functions with decorators as they are.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import subprocess

ROOMS = ("editing", "factorization", "files")
FIRST = "panda.files.nearest.x_*__mutmut_1"
"""A few mutants; to test them, mutmut makes all."""

MISSED = ("survived", "no tests")


def mutmut(*arguments: str) -> str:
    """Run mutmut and return what it prints."""
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(["mutmut", *arguments], env=env, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        tail = done.stdout[-3000:]
        raise SystemExit(f"mutmut {arguments[0]} ended with status {done.returncode}:\n{tail}")
    return done.stdout


def statuses() -> dict[str, str]:
    """Return the state of each mutant by its name, such as panda.files.npy.x_read_npy__mutmut_3."""
    lines = mutmut("results", "--all", "true").splitlines()
    return dict(line.strip().rsplit(": ", 1) for line in lines)


def interval(missed: int, count: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson 1927)."""
    z, share = 1.96, missed / count
    middle = share + z * z / (2 * count)
    spread = z * math.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2)
    scale = 1 + z * z / count
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rooms", nargs="+", choices=ROOMS, default=ROOMS)
    parser.add_argument("--count", type=int, default=100, help="mutants of each room")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument("--processes", type=int, default=1)
    args = parser.parse_args()
    processes = f"--max-children={args.processes}"
    mutmut("run", processes, FIRST)
    names, draw = sorted(statuses()), random.Random(args.seed)
    rooms = {room: [name for name in names if name.split(".")[1] == room] for room in args.rooms}
    drawn = {room: draw.sample(some, min(args.count, len(some))) for room, some in rooms.items()}
    mutmut("run", processes, *(name for some in drawn.values() for name in some))
    status = statuses()
    total = sum(map(len, rooms.values()))
    whole = variance = 0.0
    for room, some in drawn.items():
        missed = [name for name in some if status[name] in MISSED]
        share, (low, high) = len(missed) / len(some), interval(len(missed), len(some))
        weight = len(rooms[room]) / total
        whole += weight * share
        variance += (weight * (high - low) / 2) ** 2
        print(f"\n{room}: {len(missed)} of {len(some)} survive, {share:.1%} ({low:.1%}-{high:.1%})")
        for name in missed:
            print(f"  {name}: {status[name]}")
    print(f"\nof all {total} mutants: {whole:.1%} +- {math.sqrt(variance):.1%}")


if __name__ == "__main__":
    main()
