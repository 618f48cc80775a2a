"""The paper's rule, in its released association order, beside the joint solver: same features.

    python benchmarks/solvers.py                       # 16.conv2, 8 parts, 1000 samples
    python benchmarks/solvers.py --steps 10000 --rates 1e-6,3e-6

Both sides get the same samples in memory and the same threads; sampling is outside both times.
The rule takes one sample a step, as released. Losses are exact, over all samples.
"""

from __future__ import annotations

import argparse
import sys
import time

import torch

from panda import create_generator
from panda.factorize import reconstruction_loss
from panda.features import Features
from panda.progress import bar
from panda.solvers import paper
from panda.solvers.joint import joint
from panda.statistics import gather


def released_step(A, P, Z, rate):
    """One step in the order in which the released code multiplies: S x S matrices and all."""
    back = Z.mT
    gradient = -4 * (back @ A @ A.T @ Z @ P)
    inner = back @ (A @ A.T) @ (A @ A.T) @ Z
    gradient = gradient + 2 * (P @ P.T @ inner @ P + inner @ P @ P.T @ P)
    P = (P - rate * gradient.sum(0)).clamp_min(0)
    H = P @ P.T
    middle = Z @ H @ H @ back
    gradient = -4 * (Z @ H @ back @ A) + 2 * (A @ A.T @ middle @ A + middle @ A @ A.T @ A)
    return A - rate * gradient.sum(0), P


def run_rule(Z, ranks, rate, steps, checkpoints):
    """Yield (steps, seconds, loss) at the checkpoints; the loss is measured off the clock."""
    scatter = sum((z.movedim(1, 0).flatten(1) @ z.movedim(1, 0).flatten(1).T) for z in Z.split(50))
    A, P = paper.initial_factors(scatter, Z.shape[2], ranks)
    seconds = 0.0
    for step in bar(range(1, steps + 1), desc=f"rule, rate {rate:g}"):
        sample = Z[(step - 1) % len(Z)][None]
        started = time.perf_counter()
        A, P = released_step(A, P, sample, rate)
        seconds += time.perf_counter() - started
        if step in checkpoints or step == steps:
            paper.check(A, P, rate, step)
            yield step, seconds, reconstruction_loss(A, P, Z.split(50))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--generator", default="mobilestylegan-ffhq-1024")
    parser.add_argument("--layer", default="16.conv2")
    parser.add_argument("--parts", type=int, default=8)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--rates", default="1e-6,3e-6")
    options = parser.parse_args()

    torch.set_grad_enabled(False)
    generator = create_generator(options.generator)
    layer = generator.layer(options.layer)
    Z = torch.cat(list(Features(generator, layer, range(options.samples))))
    print(
        f"{options.generator} {layer.name}: C {layer.channels}, S {layer.positions}, R_S"
        f" {options.parts}, {options.samples} samples, {torch.get_num_threads()} threads\n"
    )
    print(f"{'solver':28} {'steps':>6} {'seconds':>9} {'loss':>8}")
    started = time.perf_counter()
    solution = joint(gather(Z.split(50), len(Z), options.parts), layer.channels, options.parts)
    ours = time.perf_counter() - started
    loss = reconstruction_loss(solution.appearances, solution.parts, Z.split(50))
    print(f"{'joint':28} {'':>6} {ours:9.1f} {loss:8.4f}", flush=True)
    rows = []
    for rate in map(float, options.rates.split(",")):
        name = f"paper rule, rate {rate:g}"
        try:
            for row in run_rule(
                Z, (layer.channels, options.parts), rate, options.steps, {100, 1000, 5000}
            ):
                print(f"{name:28} {row[0]:6} {row[1]:9.1f} {row[2]:8.4f}", flush=True)
                rows.append(row)
        except Exception as error:
            print(f"{name:28} {error}", flush=True)
    if rows:
        steps, seconds, best = min(rows, key=lambda row: row[2])
        print(
            f"\nbest of the rule: {best:.4f} after {steps} steps and {seconds:.1f} s;"
            f" joint: {loss:.4f} after {ours:.1f} s, {seconds / ours:.0f} times sooner"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
