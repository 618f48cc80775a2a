"""Measure the peak memory of whole fits by layer and number of samples, each in its own process.

    python benchmarks/memory.py 8.conv2:1000 8.conv2:8000 64.conv2:300
    python benchmarks/memory.py --synthetic 128.conv2:1000 128.conv2:4000 256.conv2:300

With --synthetic, random smooth features replace the network's, so that large layers with many
samples take little time. The figures then include the memory of the fit, but not the network's.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time

import torch

from panda import State, create_generator
from panda.factorization import fit as factorize
from panda.factorization.samples import MEMORY
from panda.factorization.statistics import DISK


def synthesize(generator):
    """Replace the network's head by random combinations of 64 smooth patterns."""
    patterns = {}

    def head(latents, name):
        layer = generator.layer(name)
        if name not in patterns:
            source = torch.Generator().manual_seed(0)
            coarse = torch.randn(1, 64, 8, 8, generator=source)
            smooth = torch.nn.functional.interpolate(
                coarse, (layer.height, layer.width), mode="bilinear"
            )
            patterns[name] = smooth.flatten(2)[0]
        sources = [torch.Generator().manual_seed(seed) for seed in latents.seeds]
        weights = torch.stack([torch.randn(layer.channels, 64, generator=g) for g in sources])
        features = weights / torch.arange(1, 65).sqrt() @ patterns[name]
        return State(features.view(-1, layer.channels, layer.height, layer.width))

    generator.head = head


def measure(options, layer, samples):
    """Fit once in this process and print a row of the table."""
    torch.set_grad_enabled(False)
    generator = create_generator(options.generator)
    if options.synthetic:
        synthesize(generator)
    shape = generator.layer(layer)
    wall, cpu = time.perf_counter(), time.process_time()
    factors = factorize.fit(generator, layer, parts=options.parts, seeds=range(samples))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    size = f"{shape.channels} x {shape.height} x {shape.width}"
    seconds = factors.config["seconds"]
    print(
        f"{layer:12} {size:>16} {samples:8} {factors.loss:8.4f} {peak:10.0f} {wall:8.1f} {cpu:8.1f}"
        f" {seconds['sampling']:9.1f} {seconds['solving']:8.1f}",
        flush=True,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("fits", nargs="+", metavar="LAYER:SAMPLES")
    parser.add_argument("--generator", default="mobilestylegan-ffhq-1024")
    parser.add_argument(
        "--synthetic", action="store_true", help="smooth random features instead of a network"
    )
    parser.add_argument("--parts", type=int, default=8)
    options = parser.parse_args()
    fits = [
        (layer, int(samples)) for layer, _, samples in (fit.partition(":") for fit in options.fits)
    ]
    if "MEMORY_BENCHMARK_ROW" in os.environ:
        measure(options, *fits[0])
        return 0
    source = "synthetic features" if options.synthetic else options.generator
    print(
        f"{source}, {options.parts} parts, {torch.get_num_threads()} threads; at most"
        f" {MEMORY >> 20} MiB of samples in memory and {DISK >> 20} MiB on disk\n\n"
        f"{'layer':12} {'C x H x W':>16} {'samples':>8} {'loss':>8} {'peak MiB':>10} {'wall s':>8}"
        f" {'CPU s':>8} {'sampling':>9} {'solving':>8}",
        flush=True,
    )
    flags = ["--generator", options.generator, "--parts", str(options.parts)]
    flags += ["--synthetic"] * options.synthetic
    for layer, samples in fits:
        command = [sys.executable, __file__, f"{layer}:{samples}", *flags]
        subprocess.run(command, env={**os.environ, "MEMORY_BENCHMARK_ROW": "1"}, check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
