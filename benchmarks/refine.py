"""Compare the batched refinement of parts with the released loop, on the same features.

    python benchmarks/refine.py --layers 16.conv2:8,32.conv2:16

The loop refines one image after the other, with a fixed number of steps each. Its time is
extrapolated: the median time of a step in the released order of multiplication, times the numbers
of steps and images. Its learning rate is the best of ``--rates``. Ours is timed until it converges
and, stopped early, until it reaches the loop's loss. Losses are means over the images, as fractions
of their energy; times are CPU seconds.
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
    """Return the loss of each sample as a fraction of its energy."""
    residual = Z - A @ ((A.T @ (Z @ P)) @ P.mT)
    return residual.square().sum((1, 2)) / Z.square().sum((1, 2))


def released_loop(A, P, Z, rates, steps):
    """Return the lowest final mean loss of the released loop, and its learning rate."""
    results = []
    for rate in rates:
        try:
            parts = torch.stack([paper.refine_by_gradient(A, P, z[None], rate, steps) for z in Z])
        except PandaError:
            continue
        results.append((float(losses(A, parts, Z).mean()), rate))
    return min(results, default=(float("nan"), float("nan")))


def refine_batch(A, P, Z, repeats):
    """Return the mean loss of the refined parts, and the median seconds."""
    times = []
    for _ in range(repeats):
        started = time.process_time()
        refined = refine.refine_parts(A, P, Z)
        times.append(time.process_time() - started)
    return float(losses(A, refined, Z).mean()), median(times)


def refine_to_loss(A, P, Z, target, repeats):
    """Return steps, loss and seconds of the shortest descent that reaches a target loss, if any."""
    tolerance, default = refine.STEPS
    try:
        for steps in range(4, default, 4):
            refine.STEPS = tolerance, steps
            if refine_batch(A, P, Z, 1)[0] <= target:
                return steps, *refine_batch(A, P, Z, repeats)
        return None
    finally:
        refine.STEPS = tolerance, default


def compare(generator, name, parts, options):
    """Print the figures of one layer."""
    factors = fit(generator, name, parts=parts, seeds=range(options.samples))
    seeds = range(10_000, 10_000 + options.images)
    Z = torch.cat(list(Features(generator, generator.layer(name), seeds)))
    A, P = factors.appearances, factors.parts
    loss, elapsed = refine_batch(A, P, Z, options.repeats)
    times = []
    for z in Z[:10]:
        started = time.process_time()
        released_parts_step(A, P, z[None], 1e-9)
        times.append(time.process_time() - started)
    theirs = median(times) * options.steps * len(Z)
    target, rate = released_loop(A, P, Z, map(float, options.rates.split(",")), options.steps)
    print(
        f"\n{name}, {parts} parts, {len(Z)} images: loss {float(losses(A, P, Z).mean()):.4f} with"
        f" the global parts\n"
        f"  released loop: loss {target:.4f} at its best rate {rate:g}, {options.steps} steps,"
        f" {theirs:.0f} s (extrapolated)\n"
        f"  ours, until it converges: loss {loss:.4f} in {elapsed:.2f} s:"
        f" {theirs / elapsed:.0f} times faster"
    )
    if result := refine_to_loss(A, P, Z, target, options.repeats):
        steps, loss, seconds = result
        print(
            f"  ours, {steps} steps: loss {loss:.4f} in {seconds:.2f} s: {theirs / seconds:.0f}"
            " times faster",
            flush=True,
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--generator", default="mobilestylegan-ffhq-1024")
    parser.add_argument("--layers", default="16.conv2:8,32.conv2:16")
    parser.add_argument("--samples", type=int, default=256, help="samples of the fit")
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--steps", type=int, default=100, help="of the released loop")
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
