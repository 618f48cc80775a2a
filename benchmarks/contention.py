"""How much longer everything takes where other processes want the cores too.

    python benchmarks/contention.py --busy 0,1,2,4
    python benchmarks/contention.py --cases demo --rounds 1

Each way to wait has a process of its own; they take turns at every case, so that all of them see
the same machine. Wall seconds, the least of some rounds. Busy processes end with this one.
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

INSIDE = "CONTENTION_INSIDE"
"""Says that threads work inside the operations only."""

WAYS = {
    "as libgomp": {"GOMP_SPINCOUNT": "300000", INSIDE: "1"},  # its own choice where nobody chooses
    "short spin": {INSIDE: "1"},
    "ours": {},
    "passive": {"OMP_WAIT_POLICY": "passive"},
    "one thread": {"OMP_NUM_THREADS": "1"},
}
SAID = "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OMP_NUM_THREADS"
CASES = "forward", "head", "fit", "inversion", "slide"
BUSY = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: sum(range(100000))"
LAYER = "16.conv2"


@contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes that do nothing but count, until the block or this process ends."""
    running = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
    try:
        time.sleep(0.3)
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def work(name: str) -> None:
    """In a process of one way: run each case that is asked for, and tell its seconds."""
    from panda import create_generator  # before torch, whose libraries read what it prepares

    # isort: split

    import torch

    from panda.editing.edits import Edit
    from panda.factorization.fit import fit
    from panda.inversion.coordinates import measure as coordinates
    from panda.inversion.objective import Objective
    from panda.metrics.lpips import LPIPS
    from panda.studio.session import Canvas
    from panda_plugins.mobilestylegan import backend

    if INSIDE in os.environ:
        backend.THREADS, backend.over = 0, lambda function, items: list(map(function, items))
    generator = create_generator(name)
    one, ten = (generator.sample(range(n), truncation=0.7) for n in (1, 10))

    @cache
    def canvas():
        factors = fit(generator, LAYER, parts=4, seeds=range(20))
        return Canvas(generator, factors, one)

    @cache
    def search():
        found = coordinates(generator, ten)
        return found, Objective(LPIPS(), generator.forward(ten[:1])), found.of(one)

    @torch.enable_grad()
    def inversion():
        space, objective, start = search()
        x = start.detach().clone().requires_grad_()
        objective(generator.forward(space.move(one, x))).total.sum().backward()

    def demo():
        with tempfile.TemporaryDirectory() as out:
            command = [sys.executable, "-m", "panda", "demo", "--quick", "--out", out]
            subprocess.run(command, check=True, capture_output=True)

    cases = {
        "forward": lambda: generator.forward(one),
        "head": lambda: generator.head(ten, LAYER),
        "fit": lambda: fit(generator, LAYER, parts=8, seeds=range(100)),
        "inversion": inversion,
        "slide": lambda: canvas().images([[Edit((0,), "p0", 2.0, True)]]),
        "demo": demo,
    }
    # The studio's events come in a thread that is not the first one.
    with ThreadPoolExecutor(1) as studio, torch.no_grad():
        for line in sys.stdin:
            run, began = cases[line.strip()], time.perf_counter()
            studio.submit(run).result() if line.strip() == "slide" else run()
            print(time.perf_counter() - began, flush=True)


class Worker:
    """A process that waits in one way."""

    def __init__(self, generator: str, way: str) -> None:
        environment = {k: v for k, v in os.environ.items() if k not in SAID} | WAYS[way]
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--generator", generator, "--work"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def seconds(self, case: str) -> float:
        """Run a case once."""
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
    ways = list(workers)
    print("| case | busy | " + " | ".join(f"{way}, s | times idle" for way in ways) + " |")
    print("|---|---:|" + "---:|---:|" * len(ways))
    for case in options.cases:
        for worker in workers.values():  # to warm up
            worker.seconds(case)
        idle: dict[str, float] = {}
        for count in options.busy:
            with busy(count):
                rounds = [
                    [worker.seconds(case) for worker in workers.values()]
                    for _ in range(options.rounds)
                ]
            least = dict(zip(ways, map(min, zip(*rounds, strict=True)), strict=True))
            idle = idle or least
            figures = (f" {least[way]:.3f} | {least[way] / idle[way]:.2f} " for way in ways)
            print(f"| {case} | {count} |" + "|".join(figures) + "|", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    cores = os.cpu_count() or 1
    parser.add_argument("--generator", default="mobilestylegan-ffhq-1024")
    parser.add_argument("--cases", default=",".join(CASES), help=f"of {', '.join(CASES)}, demo")
    parser.add_argument("--ways", default="as libgomp,ours", help=f"of {', '.join(WAYS)}")
    parser.add_argument("--busy", default=",".join(map(str, sorted({0, 1, cores, 4}))))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.generator)
        return 0
    options.cases = options.cases.split(",")
    options.busy = [int(count) for count in options.busy.split(",")]
    print(f"{options.generator}, {cores} cores; load {os.getloadavg()[0]:.1f} before\n")
    with ExitStack() as stack:
        ways = options.ways.split(",")
        workers = {way: stack.enter_context(Worker(options.generator, way)) for way in ways}
        measure(workers, options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
