"""What fits cost as work is shared out: one and two processes, and each layer of a generator.

    python benchmarks/scale.py speed 16.conv2:1000 --repeat 5
    python benchmarks/scale.py layers 4.conv 8.conv2 16.conv2 --samples 256

``speed`` runs `panda fit` under torchrun with one process and with two, in turn, one thread each.
``layers`` counts CPU seconds of one thread: bare head passes, the same with all that a fit keeps of
them, and solving; the last columns multiply them to 10 000 samples.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import torch

from panda import create_generator
from panda.features import Features
from panda.solvers.joint import joint
from panda.statistics import gather


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
    for layer, _, samples in (fit.partition(":") for fit in options.what):
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


def layers(options):
    """CPU seconds of each layer, and those of 10 000 samples."""
    torch.set_grad_enabled(False)
    torch.set_num_threads(1)
    generator = create_generator(options.generator)
    print(f"{options.generator}, {options.parts} parts, one thread; CPU ms for each sample\n")
    print(
        f"{'layer':12} {'samples':>8} {'head':>8} {'sampling':>9} {'solving':>8}"
        f" {'10 000 samples, CPU hours':>26}"
    )
    total = 0.0
    for name in options.what or generator.layers:
        layer = generator.layer(name)
        parts = min(options.parts, layer.positions)
        features = Features(generator, layer, range(options.samples))
        count = len(features.seeds)
        features[0]  # the first pass prepares what later ones use
        _, head = cpu_seconds(lambda features=features: [None for _ in features])
        found, sampling = cpu_seconds(lambda f=features, p=parts: gather(f, len(f.seeds), p))
        _, solving = cpu_seconds(lambda s=found, c=layer.channels, p=parts: joint(s, c, p))
        hours = (sampling + solving) / count * 10_000 / 3600
        total += hours
        ms = [1000 * seconds / count for seconds in (head, sampling, solving)]
        print(
            f"{name:12} {count:8} {ms[0]:8.1f} {ms[1]:9.1f} {ms[2]:8.1f} {hours:26.2f}", flush=True
        )
    print(f"\nall of these layers, 10 000 samples each (extrapolated): {total:.1f} CPU hours")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", choices=("speed", "layers"))
    parser.add_argument("what", nargs="*", help="layers, with :SAMPLES for speed; default: all")
    parser.add_argument("--generator", default="mobilestylegan-ffhq-1024")
    parser.add_argument("--parts", type=int, default=8)
    parser.add_argument("--samples", type=int, default=256)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    {"speed": speed, "layers": layers}[options.table](options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
