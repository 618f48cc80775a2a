"""Measure how much longer everything takes while other processes occupy the cores.

    python benchmarks/contention.py --busy 0,1,2,4
    python benchmarks/contention.py --cases demo --rounds 1

A wait policy says how the threads of an operation wait for each other. Each policy has its own
process, and these take turns in each case, so that all run under the same conditions. The table
has wall seconds, the minimum of some rounds. The busy processes end with this one.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import cache

INTRA_OP_ONLY = "CONTENTION_INTRA_OP_ONLY"
"""The environment variable that restricts threads to the inside of operations."""

POLICIES = {
    "libgomp default": {"GOMP_SPINCOUNT": "300000", INTRA_OP_ONLY: "1"},  # its value if unset
    "short spin": {INTRA_OP_ONLY: "1"},
    "ours": {},
    "passive": {"OMP_WAIT_POLICY": "passive"},
    "one thread": {"OMP_NUM_THREADS": "1"},
}
VARIABLES = "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OMP_NUM_THREADS"
CASES = "forward", "head", "fit", "inversion", "studio"
BUSY = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: sum(range(100000))"
LAYER = "16.conv2"


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Run ``count`` busy processes until the block or this process ends."""
    processes = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
    try:
        time.sleep(0.3)
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def run_cases(name: str) -> None:
    """Run each case that is named on stdin, and print its seconds; for the process of a policy."""
    from panda import create_generator  # sets variables that torch reads when it is loaded

    # isort: split

    import torch

    from panda.editing.edits import Edit
    from panda.factorization.fit import fit
    from panda.inversion.coordinates import measure as coordinates
    from panda.inversion.objective import Objective
    from panda.metrics.lpips import LPIPS
    from panda.studio.session import Canvas
    from panda_plugins.mobilestylegan import backend

    if INTRA_OP_ONLY in os.environ:
        backend.THREADS, backend.map_threads = 0, lambda function, items: list(map(function, items))
    generator = create_generator(name)
    single, ten = (generator.sample(range(n), truncation=0.7) for n in (1, 10))

    @cache
    def canvas():
        factors = fit(generator, LAYER, parts=4, seeds=range(20))
        return Canvas(generator, factors, single)

    @cache
    def search():
        space = coordinates(generator, ten)
        return space, Objective(LPIPS(), generator.forward(ten[:1])), space.of(single)

    @torch.enable_grad()
    def inversion():
        space, objective, start = search()
        x = start.detach().clone().requires_grad_()
        objective(generator.forward(space.move(single, x))).total.sum().backward()

    def demo():
        with tempfile.TemporaryDirectory() as out:
            command = [sys.executable, "-m", "panda", "demo", "--quick", "--out", out]
            subprocess.run(command, check=True, capture_output=True)

    cases = {
        "forward": lambda: generator.forward(single),
        "head": lambda: generator.head(ten, LAYER),
        "fit": lambda: fit(generator, LAYER, parts=8, seeds=range(100)),
        "inversion": inversion,
        "studio": lambda: canvas().images([[Edit((0,), "p0", 2.0, True)]]),
        "demo": demo,
    }
    # The studio handles its events outside the main thread.
    with ThreadPoolExecutor(1) as thread, torch.no_grad():
        for line in sys.stdin:
            case, started = line.strip(), time.perf_counter()
            thread.submit(cases[case]).result() if case == "studio" else cases[case]()
            print(time.perf_counter() - started, flush=True)


class Worker:
    """A process with one wait policy."""

    def __init__(self, generator: str, policy: str) -> None:
        environment = {k: v for k, v in os.environ.items() if k not in VARIABLES} | POLICIES[policy]
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--generator", generator, "--worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def seconds(self, case: str) -> float:
        """Run a case once; return its wall seconds."""
        print(case, file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit(f"the process for {case} ended (exit code {self._process.wait()})")
        return float(answer)

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.terminate()
        self._process.wait()


def measure(workers: dict[str, Worker], options: argparse.Namespace) -> None:
    """Print the table, row by row."""
    policies = list(workers)
    print(
        "| case | busy | "
        + " | ".join(f"{policy}, s | relative to idle" for policy in policies)
        + " |"
    )
    print("|---|---:|" + "---:|---:|" * len(policies))
    for case in options.cases:
        for worker in workers.values():  # warm-up
            worker.seconds(case)
        idle: dict[str, float] = {}
        for count in options.busy:
            with busy(count):
                rounds = [
                    [worker.seconds(case) for worker in workers.values()]
                    for _ in range(options.rounds)
                ]
            fastest = dict(zip(policies, map(min, zip(*rounds, strict=True)), strict=True))
            idle = idle or fastest
            cells = (f" {fastest[p]:.3f} | {fastest[p] / idle[p]:.2f} " for p in policies)
            print(f"| {case} | {count} |" + "|".join(cells) + "|", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    cores = os.cpu_count() or 1
    parser.add_argument("--generator", default="mobilestylegan-ffhq-1024")
    parser.add_argument("--cases", default=",".join(CASES), help=f"any of {', '.join(CASES)}, demo")
    parser.add_argument(
        "--policies", default="libgomp default,ours", help=f"any of {', '.join(POLICIES)}"
    )
    parser.add_argument(
        "--busy",
        default=",".join(map(str, sorted({0, 1, cores, 4}))),
        help="numbers of busy processes",
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        run_cases(options.generator)
        return 0
    options.cases = options.cases.split(",")
    options.busy = [int(count) for count in options.busy.split(",")]
    print(
        f"{options.generator}, {cores} cores; load average {os.getloadavg()[0]:.1f} at the start\n"
    )
    with ExitStack() as stack:
        workers = {
            policy: stack.enter_context(Worker(options.generator, policy))
            for policy in options.policies.split(",")
        }
        measure(workers, options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
