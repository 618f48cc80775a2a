"""Compare the joint solver with the paper's update rule, on the same features.

    python benchmarks/solvers.py                            # three layers; the rule takes hours
    python benchmarks/solvers.py --layers 16.conv2:8 --steps 1000 --rates 3e-6

Both sides get the same samples and threads; times are CPU seconds. The rule's losses are measured
after all its steps, computed in a faster order of multiplication that gives the same numbers. Its
time is extrapolated: the median time of a step in the released order, times the number of steps.
Losses are exact, over all samples, as a fraction of the energy. Ours is timed until it converges
and, stopped early, until it reaches the rule's loss. Samples are stored in ``--cache`` for the next
run.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import torch

from panda import PandaError, create_generator
from panda.factorization.features import Features
from panda.factorization.fit import reconstruction_loss
from panda.factorization.solvers import joint as solver
from panda.factorization.solvers import paper
from panda.factorization.solvers.joint import joint
from panda.factorization.statistics import gather
from panda.progress import bar

Clock = Callable[[], float]


def seconds(work: Callable[[], object], clock: Clock = time.process_time) -> float:
    """Return the seconds of one call, by default CPU seconds."""
    started = clock()
    work()
    return clock() - started


def released_parts_step(A, P, Z, rate):
    """Return P after a step in the released order of multiplication, with its S x S matrices."""
    back = Z.mT
    gradient = -4 * (back @ A @ A.T @ Z @ P)
    inner = back @ (A @ A.T) @ (A @ A.T) @ Z
    gradient = gradient + 2 * (P @ P.T @ inner @ P + inner @ P @ P.T @ P)
    return (P - rate * gradient.sum(0)).clamp_min(0)


def released_step(A, P, Z, rate):
    """Return A and P after a whole step in that order: P first, then A."""
    P = released_parts_step(A, P, Z, rate)
    H, back = P @ P.T, Z.mT
    middle = Z @ H @ H @ back
    gradient = -4 * (Z @ H @ back @ A) + 2 * (A @ A.T @ middle @ A + middle @ A @ A.T @ A)
    return A - rate * gradient.sum(0), P


def samples(generator, layer, count: int, cache: Path) -> torch.Tensor:
    """Return all features ``[N, C, S]`` from a memory-mapped file, which is written if missing."""
    path = cache / f"{generator.name}-{layer.name}-{count}.npy"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part")
        shape = (count, layer.channels, layer.positions)
        Z = np.lib.format.open_memmap(partial, "w+", np.float32, shape)
        row = 0
        for batch in Features(generator, layer, range(count)):
            Z[row : row + len(batch)] = batch.cpu().numpy()
            row += len(batch)
        Z.flush()
        partial.rename(path)
    return torch.from_numpy(np.load(path, mmap_mode="c"))


def channel_scatter(Z) -> torch.Tensor:
    """Return the sum of Z Z^T, from which the rule starts."""
    return sum((z.movedim(1, 0).flatten(1) @ z.movedim(1, 0).flatten(1).T) for z in Z.split(50))


def rule_loss(Z, scatter, ranks, rate: float, steps: int) -> float:
    """Return the loss of the rule after ``steps`` steps of one sample each."""
    A, P = paper.initial_factors(scatter, Z.shape[2], ranks)
    stream = (Z[step % len(Z)][None].clone() for step in bar(range(steps), desc=f"{rate:g}"))
    A, P = paper.decompose(A, P, stream, rate)
    return reconstruction_loss(A, P, Z.split(10))


def fit_to_loss(
    batches, Z, ranks, target: float, clock: Clock = time.process_time
) -> tuple[float, float]:
    """Return loss and seconds of the joint solver, stopped as soon as it reaches a target loss."""
    default = solver.TOLERANCE
    try:
        for solver.TOLERANCE in (1.0, 1e-2, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5, default):
            started = clock()
            solution = joint(gather(batches, len(Z), ranks[1]), *ranks)
            elapsed = clock() - started
            loss = reconstruction_loss(solution.appearances, solution.parts, Z.split(10))
            if loss <= target:
                break
        return loss, elapsed
    finally:
        solver.TOLERANCE = default


def compare(generator, name: str, parts: int, options: argparse.Namespace) -> None:
    """Print the figures of one layer."""
    layer = generator.layer(name)
    Z = samples(generator, layer, options.samples, options.cache)
    ranks = (layer.channels, parts)
    print(f"\n{name}: C {layer.channels}, S {layer.positions}, R_C {ranks[0]}, R_S {parts}")

    batches = Z.split(max(1, 2**24 // Z[0].nbytes))
    ours = []
    for _ in range(options.repeats):
        started = time.process_time()
        solution = joint(gather(batches, len(Z), parts), *ranks)
        ours.append(time.process_time() - started)
    loss = reconstruction_loss(solution.appearances, solution.parts, Z.split(10))
    print(f"  joint: loss {loss:.4f} in {median(ours):.2f} s (minimum {min(ours):.2f})", flush=True)

    A, P = torch.eye(layer.channels), torch.full((layer.positions, parts), 0.01)
    sample = Z[0][None].clone()
    step = median(seconds(lambda: released_step(A, P, sample, 1e-9)) for _ in range(10))
    theirs = options.steps * step
    best, scatter = None, channel_scatter(Z)
    for rate in map(float, options.rates.split(",")):
        try:
            rule = rule_loss(Z, scatter, ranks, rate, options.steps)
        except PandaError as error:
            print(f"  paper rule, rate {rate:g}: {error}", flush=True)
            continue
        print(f"  paper rule, rate {rate:g}, {options.steps} steps: loss {rule:.4f}", flush=True)
        best = min(best or (rule, rate), (rule, rate))

    head = Features(generator, layer, range(32))
    batched = seconds(lambda: list(head)) / 32
    singles = iter(Features(generator, layer, range(8), batch=1))
    single_pass = median(seconds(lambda: next(singles)) for _ in range(8))
    ratio = theirs / median(ours)
    passes = options.steps * (step + single_pass) / (median(ours) + options.samples * batched)
    print(f"  a released step: {1000 * step:.0f} ms, all steps: {theirs:.0f} s (extrapolated)")
    print(f"  a head pass: {1000 * single_pass:.0f} ms alone, {1000 * batched:.0f} ms in a batch")
    print(
        f"  until it converges: {ratio:.0f} times faster; {passes:.0f} times with head passes on"
        " both sides"
    )
    if best:
        lower = "lower" if loss < best[0] else "NOT LOWER"
        print(
            f"  loss {loss:.4f}, {lower} than the rule's {best[0]:.4f} at its best rate {best[1]:g}"
        )
        reached, elapsed = fit_to_loss(batches, Z, ranks, best[0])
        print(
            f"  to the rule's loss: {reached:.4f} in {elapsed:.2f} s, {theirs / elapsed:.0f} times"
            " faster",
            flush=True,
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--generator", default="mobilestylegan-ffhq-1024")
    parser.add_argument("--layers", default="16.conv2:8,32.conv2:16,64.conv2:16")
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--rates", default="3e-7,1e-6,3e-6")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--cache", type=Path, default=Path("benchmark-features"))
    options = parser.parse_args()

    torch.set_grad_enabled(False)
    generator = create_generator(options.generator)
    print(f"{options.generator}, {options.samples} samples, {torch.get_num_threads()} threads")
    for layer in options.layers.split(","):
        name, _, parts = layer.partition(":")
        compare(generator, name, int(parts), options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
