"""Measure what fits cost on several processes, for each layer, and for many generators.

    python benchmarks/scale.py speed 16.conv2:1000 --repeat 5
    torchrun --standalone --nproc-per-node 2 benchmarks/scale.py share 16.conv2:1000
    python benchmarks/scale.py whole 16.conv2:1000
    python benchmarks/scale.py layers 4.conv 8.conv2 16.conv2 --samples 256

``speed`` runs `panda fit` under torchrun with one process and with two, in turn, with one thread
each. ``share`` measures the CPU seconds of a fit in each process: they exclude the time in which
processes wait for each other, and depend less on other users of the machine than wall seconds.
``whole`` alternates bare head passes and a whole fit, in CPU seconds of one thread. ``layers``
measures CPU seconds too. Per sample, it has those of bare head passes, of compressing the sample,
and what the sample adds to solving; per fit, those of the basis and of solving for these samples.
The last column is the cost of 10 000 samples, extrapolated. Below the table is the time of all
layers of many such generators on several numbers of cores, with one fit per core and the longest
fits first.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median

import torch
from torch import distributed

from panda import create_generator
from panda.factorization import processes
from panda.factorization.basis import find_basis
from panda.factorization.describe import describe
from panda.factorization.features import Features
from panda.factorization.fit import fit
from panda.factorization.samples import Samples
from panda.factorization.solvers.joint import joint
from panda.factorization.statistics import BASIS_BYTES, BASIS_SAMPLES, gather

MANY = 10_000
"""Samples of each layer in the extrapolation."""

REPEATS = 16
"""Copies of the measured samples, with which the growth of solving is measured."""


def run_fit(options, layer, samples, count):
    """Return wall and CPU seconds of a whole command, and wall seconds of sampling and solving."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "f"
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        command += ["--nproc-per-node", str(count), "-m", "panda", "fit", options.generator, layer]
        command += ["--parts", str(options.parts), "--seeds", f"0-{samples - 1}", "--out", str(out)]
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(
            command, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True, capture_output=True
        )
        wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        seconds = json.loads((out / "config.json").read_text())["seconds"]
        return wall, cpu, seconds["sampling"], seconds["solving"]


def speed(options):
    """Compare one process with two, in turn."""
    for layer, _, samples in (what.partition(":") for what in options.what):
        rows = {1: [], 2: []}
        for _ in range(options.repeat):
            for count, runs in rows.items():
                runs.append(run_fit(options, layer, int(samples), count))
        print(f"{options.generator} {layer}, {samples} samples, median of {options.repeat} runs\n")
        print(f"{'processes':>9} {'command s':>9} {'CPU s':>8} {'sampling s':>10} {'solving s':>9}")
        for count, runs in rows.items():
            wall, cpu, sampling, solving = map(median, zip(*runs, strict=True))
            print(f"{count:9} {wall:9.1f} {cpu:8.1f} {sampling:10.1f} {solving:9.1f}")
        single, double = (median(row[2] + row[3] for row in rows[count]) for count in (1, 2))
        command = median(row[0] for row in rows[1]) / median(row[0] for row in rows[2])
        print(
            f"two processes: fit {single / double:.2f} times faster, whole command {command:.2f}"
            " times\n"
        )


def cpu_seconds(work):
    started = time.process_time()
    result = work()
    return result, time.process_time() - started


def share(options):
    """Print the CPU seconds of a fit in each process of torchrun, or in this process."""
    torch.set_grad_enabled(False)
    torch.set_num_threads(1)
    generator = create_generator(options.generator)
    with processes.process_group("cpu"):
        for layer, _, samples in (what.partition(":") for what in options.what):
            Features(generator, generator.layer(layer), range(32))[0]
            call = partial(fit, generator, layer, parts=options.parts, seeds=range(int(samples)))
            factors, elapsed = cpu_seconds(call)
            if processes.count() > 1:
                distributed.barrier()
            print(
                f"{layer}, {samples} samples: process {processes.rank()} of {processes.count()}"
                f" took {elapsed:.2f} CPU s, loss {factors.loss:.6f}",
                flush=True,
            )


def whole(options):
    """Compare bare head passes with a whole fit of the same samples, in turn."""
    torch.set_grad_enabled(False)
    torch.set_num_threads(1)
    generator = create_generator(options.generator)
    for name, _, samples in (what.partition(":") for what in options.what):
        features = Features(generator, generator.layer(name), range(int(samples)))
        call = partial(fit, generator, name, parts=options.parts, seeds=features.seeds)
        rows = []
        for _ in range(1 + options.repeat):  # the first round is a warm-up
            _, bare = cpu_seconds(lambda features=features: [None for _ in features])
            factors, elapsed = cpu_seconds(call)
            rows.append((elapsed / bare, bare, elapsed))
        ratio, bare, elapsed = map(median, zip(*rows[1:], strict=True))
        print(
            f"{name}, {samples} samples, {options.parts} parts: bare passes {bare:.2f} s, whole fit"
            f" {elapsed:.2f} s, ratio {ratio:.2f} (medians of {options.repeat}); loss"
            f" {factors.loss:.4f}",
            flush=True,
        )


def basis_seconds(features, components):
    """Return CPU seconds of the basis in a fit of many samples, and for these samples alone."""
    layer = features.layer
    limit = max(1, min(BASIS_SAMPLES, BASIS_BYTES // (4 * layer.channels * layer.positions)))
    count = min(limit, len(features.seeds))
    batches = {start: features[start // features.size] for start in range(0, count, features.size)}
    _, elapsed = cpu_seconds(lambda: find_basis(batches, count, batches[0], components))
    return elapsed * limit / count, elapsed


def solving_seconds(statistics, layer, parts):
    """Return CPU seconds of solving and describing, and what each further sample adds to them.

    The further samples are copies of the first ones.
    """

    def solve(x):
        return describe("", layer, joint(x, layer.channels, parts), x, {})

    _, few = cpu_seconds(lambda: solve(statistics))
    count = REPEATS * statistics.count
    samples = Samples(count, statistics.samples.row, statistics.basis.device)
    for block in REPEATS * list(statistics.samples):
        samples.append(block)
    copies = replace(statistics, samples=samples, count=count, energy=REPEATS * statistics.energy)
    _, many = cpu_seconds(lambda: solve(copies))
    return few, max(0.0, many - few) / (count - statistics.count)


def layers(options):
    """Print the cost of each layer, and the time of all layers of many generators."""
    torch.set_grad_enabled(False)
    torch.set_num_threads(1)
    generator = create_generator(options.generator)
    print(f"{options.generator}, {options.parts} parts, one thread; CPU ms per sample\n")
    print(
        f"{'layer':12} {'samples':>8} {'head':>8} {'compressing':>11} {'solving':>8} {'once, s':>8}"
        f" {'10 000 samples, CPU hours':>26}"
    )
    hours = []
    for name in options.what or generator.layers:
        layer = generator.layer(name)
        parts = min(options.parts, layer.positions)
        features = Features(generator, layer, range(options.samples))
        count = len(features.seeds)
        features[0]  # warm-up: the first pass prepares what later ones reuse
        _, head = cpu_seconds(lambda features=features: [None for _ in features])
        statistics, sampling = cpu_seconds(lambda f=features, p=parts: gather(f, len(f.seeds), p))
        basis, measured_basis = basis_seconds(features, statistics.basis.shape[1])
        solving, per_sample = solving_seconds(statistics, layer, parts)
        compressing = max(0.0, sampling - measured_basis - head) / count
        head, once = head / count, basis + solving
        hours.append((once + (head + compressing + per_sample) * MANY) / 3600)
        print(
            f"{name:12} {count:8} {1000 * head:8.1f} {1000 * compressing:11.1f}"
            f" {1000 * per_sample:8.1f} {once:8.1f} {hours[-1]:26.2f}",
            flush=True,
        )
    print(f"\nall of these layers, {MANY} samples each (extrapolated): {sum(hours):.1f} CPU hours")
    fits = options.generators * hours
    print(f"{options.generators} such generators: {len(fits)} fits, {sum(fits):.0f} CPU hours")
    for cores in map(int, options.cores.split(",")):
        print(f"  {cores:5} cores, one fit per core: {schedule(fits, cores):7.1f} hours")


def schedule(fits, cores):
    """Return the hours until all fits end, if the longest start first."""
    busy = [0.0] * cores
    for hours in sorted(fits, reverse=True):
        heapq.heapreplace(busy, busy[0] + hours)
    return max(busy)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", choices=("speed", "share", "whole", "layers"))
    parser.add_argument(
        "what",
        nargs="*",
        help="LAYER:SAMPLES, or just LAYER for the table of layers (default: all)",
    )
    parser.add_argument("--generator", default="mobilestylegan-ffhq-1024")
    parser.add_argument("--parts", type=int, default=8)
    parser.add_argument("--samples", type=int, default=256)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument(
        "--generators", type=int, default=50, help="generators in the extrapolation"
    )
    parser.add_argument(
        "--cores", default="16,64,256,1024", help="numbers of cores in the extrapolation"
    )
    options = parser.parse_args()
    tables = {"speed": speed, "share": share, "whole": whole, "layers": layers}
    tables[options.table](options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
