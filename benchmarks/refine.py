"""Refining the parts of many images at once beside the released loop: same factors, same features.

    python benchmarks/refine.py --layers 16.conv2:8,32.conv2:16

The loop takes one image after the other, so many steps each, in the order in which the released
code multiplies; its time is the median of some steps, times the steps and images (extrapolated).
Its learning rate is the best of ``--rates``. Ours is timed to its own end and, cut short, to the
loop's loss. Losses are means over the images, as fractions of their energy; seconds are of the CPU.
"""

from __future__ import annotations

import argparse
import sys
import time
from statistics import median

import torch
from solvers import released_parts_step

from panda import PandaError, create_generator
from panda.factorization.features import Features
from panda.factorization.fit import fit
from panda.factorization.solvers import paper, refine


def losses(A, P, Z):
    """The loss of every sample as a fraction of its energy."""
    rest = Z - A @ ((A.T @ (Z @ P)) @ P.mT)
    return rest.square().sum((1, 2)) / Z.square().sum((1, 2))


def loop(A, P, Z, rates, steps):
    """The lowest mean loss that the released loop ends with, and its learning rate."""
    found = []
    for rate in rates:
        try:
            parts = torch.stack([paper.refine_by_gradient(A, P, z[None], rate, steps) for z in Z])
        except PandaError:
            continue
        found.append((float(losses(A, parts, Z).mean()), rate))
    return min(found, default=(float("nan"), float("nan")))


def ours(A, P, Z, repeats):
    """Mean loss of the refined parts and median seconds."""
    timed = []
    for _ in range(repeats):
        started = time.process_time()
        refined = refine.refine_parts(A, P, Z)
        timed.append(time.process_time() - started)
    return float(losses(A, refined, Z).mean()), median(timed)


def until(A, P, Z, wanted, repeats):
    """Steps, loss and seconds of the shortest descent that ends at or below a loss."""
    tolerance, whole = refine.STEPS
    try:
        for steps in range(4, whole, 4):
            refine.STEPS = tolerance, steps
            if ours(A, P, Z, 1)[0] <= wanted:
                return steps, *ours(A, P, Z, repeats)
        return None
    finally:
        refine.STEPS = tolerance, whole


def compare(generator, name, parts, options):
    """Print the figures of one layer."""
    factors = fit(generator, name, parts=parts, seeds=range(options.samples))
    seeds = range(10_000, 10_000 + options.images)
    Z = torch.cat(list(Features(generator, generator.layer(name), seeds)))
    A, P = factors.appearances, factors.parts
    loss, whole = ours(A, P, Z, options.repeats)
    timed = []
    for z in Z[:10]:
        started = time.process_time()
        released_parts_step(A, P, z[None], 1e-9)
        timed.append(time.process_time() - started)
    theirs = median(timed) * options.steps * len(Z)
    reached, rate = loop(A, P, Z, map(float, options.rates.split(",")), options.steps)
    print(
        f"\n{name}, {parts} parts, {len(Z)} images: loss {float(losses(A, P, Z).mean()):.4f} with"
        f" the global parts\n"
        f"  released loop: loss {reached:.4f} at its best rate {rate:g}, {options.steps} steps,"
        f" {theirs:.0f} s (extrapolated)\n"
        f"  ours, to its end: loss {loss:.4f} in {whole:.2f} s: {theirs / whole:.0f} times sooner"
    )
    if found := until(A, P, Z, reached, options.repeats):
        steps, loss, seconds = found
        print(
            f"  ours, {steps} steps: loss {loss:.4f} in {seconds:.2f} s: {theirs / seconds:.0f}"
            " times sooner",
            flush=True,
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--generator", default="mobilestylegan-ffhq-1024")
    parser.add_argument("--layers", default="16.conv2:8,32.conv2:16")
    parser.add_argument("--samples", type=int, default=256, help="that the factors are fitted to")
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--steps", type=int, default=100, help="as released")
    parser.add_argument("--rates", default="1e-6,1e-5,1e-4,1e-3")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.set_grad_enabled(False)
    generator = create_generator(options.generator)
    print(f"{options.generator}, {torch.get_num_threads()} threads")
    for layer in options.layers.split(","):
        name, _, parts = layer.partition(":")
        compare(generator, name, int(parts), options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
