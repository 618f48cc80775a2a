"""What fits cost as work is shared out: processes, each layer of a generator, and a whole plan.

    python benchmarks/scale.py speed 16.conv2:1000 --repeat 5
    torchrun --standalone --nproc-per-node 2 benchmarks/scale.py share 16.conv2:1000
    python benchmarks/scale.py whole 16.conv2:1000
    python benchmarks/scale.py layers 4.conv 8.conv2 16.conv2 --samples 256

``speed`` runs `panda fit` under torchrun with one process and with two, in turn, one thread each.
``share`` counts the CPU seconds that a fit takes in each process, which other users of the machine
change less than wall seconds; waiting for one another is not in them. ``whole`` makes bare head
passes and a whole fit in turn, CPU seconds of one thread. ``layers`` counts them too: for each
sample bare head passes, what a fit adds to keep it and what it adds to solving; once, the basis and
solving for these few. Last comes what 10 000 samples would cost. Below it stands what all layers of
many such generators would take on so many cores, one fit a core, the longest first.
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
"""Samples of each layer of the plan."""

AGAIN = 16
"""So many times the measured samples show how solving grows."""


def one_fit(options, layer, samples, count):
    """Wall and CPU seconds of a whole command, and its wall seconds without the start."""
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
    """One and two processes, in turn."""
    for layer, _, samples in (what.partition(":") for what in options.what):
        rows = {1: [], 2: []}
        for _ in range(options.repeat):
            for count, found in rows.items():
                found.append(one_fit(options, layer, int(samples), count))
        print(f"{options.generator} {layer}, {samples} samples, median of {options.repeat} runs\n")
        print(f"{'processes':>9} {'command s':>9} {'CPU s':>8} {'sampling s':>10} {'solving s':>9}")
        for count, found in rows.items():
            wall, cpu, sampling, solving = map(median, zip(*found, strict=True))
            print(f"{count:9} {wall:9.1f} {cpu:8.1f} {sampling:10.1f} {solving:9.1f}")
        alone, two = (median(row[2] + row[3] for row in rows[count]) for count in (1, 2))
        whole = median(row[0] for row in rows[1]) / median(row[0] for row in rows[2])
        print(
            f"two processes: fit {alone / two:.2f} times faster, whole command {whole:.2f} times\n"
        )


def cpu_seconds(work):
    started = time.process_time()
    result = work()
    return result, time.process_time() - started


def share(options):
    """CPU seconds of a fit in each of the processes that torchrun started, or in this one."""
    torch.set_grad_enabled(False)
    torch.set_num_threads(1)
    generator = create_generator(options.generator)
    with processes.process_group("cpu"):
        for layer, _, samples in (what.partition(":") for what in options.what):
            Features(generator, generator.layer(layer), range(32))[0]
            call = partial(fit, generator, layer, parts=options.parts, seeds=range(int(samples)))
            factors, taken = cpu_seconds(call)
            if processes.count() > 1:
                distributed.barrier()
            print(
                f"{layer}, {samples} samples: process {processes.rank()} of {processes.count()}"
                f" took {taken:.2f} CPU s, loss {factors.loss:.6f}",
                flush=True,
            )


def whole(options):
    """CPU seconds of bare head passes and of a whole fit of the same samples, in turn."""
    torch.set_grad_enabled(False)
    torch.set_num_threads(1)
    generator = create_generator(options.generator)
    for name, _, samples in (what.partition(":") for what in options.what):
        features = Features(generator, generator.layer(name), range(int(samples)))
        call = partial(fit, generator, name, parts=options.parts, seeds=features.seeds)
        rows = []
        for _ in range(1 + options.repeat):  # the first prepares what later ones use
            _, bare = cpu_seconds(lambda features=features: [None for _ in features])
            factors, taken = cpu_seconds(call)
            rows.append((taken / bare, bare, taken))
        ratio, bare, taken = map(median, zip(*rows[1:], strict=True))
        print(
            f"{name}, {samples} samples, {options.parts} parts: bare passes {bare:.2f} s, whole fit"
            f" {taken:.2f} s, {ratio:.2f} times (medians of {options.repeat}); loss"
            f" {factors.loss:.4f}",
            flush=True,
        )


def basis_seconds(features, components):
    """CPU seconds of finding the basis of a fit of many samples, and of these few alone."""
    layer = features.layer
    fit = max(1, min(BASIS_SAMPLES, BASIS_BYTES // (4 * layer.channels * layer.positions)))
    count = min(fit, len(features.seeds))
    held = {start: features[start // features.size] for start in range(0, count, features.size)}
    _, taken = cpu_seconds(lambda: find_basis(held, count, held[0], components))
    return taken * fit / count, taken


def solving_seconds(found, layer, parts):
    """CPU seconds of solving and describing, and what each further sample adds.

    The same samples are taken again.
    """

    def solve(statistics):
        solution = joint(statistics, layer.channels, parts)
        return describe("", layer, solution, statistics, {})

    _, few = cpu_seconds(lambda: solve(found))
    more = Samples(AGAIN * found.count, found.samples.row, found.basis.device)
    for block in AGAIN * list(found.samples):
        more.append(block)
    many = replace(found, samples=more, count=AGAIN * found.count, energy=AGAIN * found.energy)
    _, all_of_them = cpu_seconds(lambda: solve(many))
    return few, max(0.0, all_of_them - few) / (many.count - found.count)


def layers(options):
    """CPU seconds of each layer, those of 10 000 samples, and of many generators."""
    torch.set_grad_enabled(False)
    torch.set_num_threads(1)
    generator = create_generator(options.generator)
    print(f"{options.generator}, {options.parts} parts, one thread; CPU ms for each sample\n")
    print(
        f"{'layer':12} {'samples':>8} {'head':>8} {'keeping':>8} {'solving':>8} {'once, s':>8}"
        f" {'10 000 samples, CPU hours':>26}"
    )
    hours = []
    for name in options.what or generator.layers:
        layer = generator.layer(name)
        parts = min(options.parts, layer.positions)
        features = Features(generator, layer, range(options.samples))
        count = len(features.seeds)
        features[0]  # the first pass prepares what later ones use
        _, head = cpu_seconds(lambda features=features: [None for _ in features])
        found, sampling = cpu_seconds(lambda f=features, p=parts: gather(f, len(f.seeds), p))
        basis, here = basis_seconds(features, found.basis.shape[1])
        solving, more = solving_seconds(found, layer, parts)
        keeping = max(0.0, sampling - here - head) / count
        head, once = head / count, basis + solving
        hours.append((once + (head + keeping + more) * MANY) / 3600)
        ms = " ".join(f"{1000 * x:8.1f}" for x in (head, keeping, more))
        print(f"{name:12} {count:8} {ms} {once:8.1f} {hours[-1]:26.2f}", flush=True)
    print(f"\nall of these layers, {MANY} samples each (extrapolated): {sum(hours):.1f} CPU hours")
    fits = options.generators * hours
    print(f"{options.generators} such generators: {len(fits)} fits, {sum(fits):.0f} CPU hours")
    for cores in map(int, options.cores.split(",")):
        print(f"  {cores:5} cores, one fit each: {schedule(fits, cores):7.1f} hours")


def schedule(fits, cores):
    """Hours until the last of these fits ends, the longest ones begun first."""
    busy = [0.0] * cores
    for hours in sorted(fits, reverse=True):
        heapq.heapreplace(busy, busy[0] + hours)
    return max(busy)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", choices=("speed", "share", "whole", "layers"))
    parser.add_argument(
        "what", nargs="*", help="layers, with :SAMPLES but for layers; default: all"
    )
    parser.add_argument("--generator", default="mobilestylegan-ffhq-1024")
    parser.add_argument("--parts", type=int, default=8)
    parser.add_argument("--samples", type=int, default=256)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--generators", type=int, default=50, help="how many the plan is for")
    parser.add_argument("--cores", default="16,64,256,1024", help="how many the plan has")
    options = parser.parse_args()
    tables = {"speed": speed, "share": share, "whole": whole, "layers": layers}
    tables[options.table](options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
