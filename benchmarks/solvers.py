"""The joint solver beside the paper's rule in its released association order: same features.

    python benchmarks/solvers.py                                  # three layers, hours for the rule
    python benchmarks/solvers.py --layers 16.conv2:8 --steps 1000 --rates 3e-6

Both sides get the same samples and threads, and CPU seconds are counted. The rule's losses are
those after all its steps, taken in an order that gives the same numbers sooner; its time is that
of a step in the released order, the median of some, times the steps. Losses are exact, over all
samples, as a fraction of the energy. Ours is timed to its own end and, stopped early, to the
rule's loss. Samples are kept in ``--cache`` for the next run.
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
    """Seconds of one call: CPU seconds, or those of another clock."""
    started = clock()
    work()
    return clock() - started


def released_parts_step(A, P, Z, rate):
    """The step in P in the order in which the released code multiplies: S x S matrices and all."""
    back = Z.mT
    gradient = -4 * (back @ A @ A.T @ Z @ P)
    inner = back @ (A @ A.T) @ (A @ A.T) @ Z
    gradient = gradient + 2 * (P @ P.T @ inner @ P + inner @ P @ P.T @ P)
    return (P - rate * gradient.sum(0)).clamp_min(0)


def released_step(A, P, Z, rate):
    """A whole step in that order: P, then A."""
    P = released_parts_step(A, P, Z, rate)
    H, back = P @ P.T, Z.mT
    middle = Z @ H @ H @ back
    gradient = -4 * (Z @ H @ back @ A) + 2 * (A @ A.T @ middle @ A + middle @ A @ A.T @ A)
    return A - rate * gradient.sum(0), P


def samples(generator, layer, count: int, cache: Path) -> torch.Tensor:
    """All features ``[N, C, S]``, in a file that is mapped into memory."""
    path = cache / f"{generator.name}-{layer.name}-{count}.npy"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        shape = (count, layer.channels, layer.positions)
        Z = np.lib.format.open_memmap(part, "w+", np.float32, shape)
        row = 0
        for batch in Features(generator, layer, range(count)):
            Z[row : row + len(batch)] = batch.cpu().numpy()
            row += len(batch)
        Z.flush()
        part.rename(path)
    return torch.from_numpy(np.load(path, mmap_mode="c"))


def channel_scatter(Z) -> torch.Tensor:
    """The sum of Z Z^T, which the rule starts from."""
    return sum((z.movedim(1, 0).flatten(1) @ z.movedim(1, 0).flatten(1).T) for z in Z.split(50))


def rule(Z, scatter, ranks, rate: float, steps: int) -> float:
    """The loss of the rule after so many steps of one sample each."""
    A, P = paper.initial_factors(scatter, Z.shape[2], ranks)
    one_by_one = (Z[step % len(Z)][None].clone() for step in bar(range(steps), desc=f"{rate:g}"))
    A, P = paper.decompose(A, P, one_by_one, rate)
    return reconstruction_loss(A, P, Z.split(10))


def until(
    batches, Z, ranks, wanted: float, clock: Clock = time.process_time
) -> tuple[float, float]:
    """Loss and seconds of the joint solver, stopped where it is no higher than a loss."""
    whole = solver.TOLERANCE
    try:
        for solver.TOLERANCE in (1.0, 1e-2, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5, whole):
            started = clock()
            found = joint(gather(batches, len(Z), ranks[1]), *ranks)
            taken = clock() - started
            loss = reconstruction_loss(found.appearances, found.parts, Z.split(10))
            if loss <= wanted:
                break
        return loss, taken
    finally:
        solver.TOLERANCE = whole


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
    print(f"  joint: loss {loss:.4f} in {median(ours):.2f} s ({min(ours):.2f} at best)", flush=True)

    A, P = torch.eye(layer.channels), torch.full((layer.positions, parts), 0.01)
    sample = Z[0][None].clone()
    timed = [seconds(lambda: released_step(A, P, sample, 1e-9)) for _ in range(10)]
    a_step, theirs = median(timed), options.steps * median(timed)
    best, scatter = None, channel_scatter(Z)
    for rate in map(float, options.rates.split(",")):
        try:
            reached = rule(Z, scatter, ranks, rate, options.steps)
        except PandaError as error:
            print(f"  paper rule, rate {rate:g}: {error}", flush=True)
            continue
        print(f"  paper rule, rate {rate:g}, {options.steps} steps: loss {reached:.4f}", flush=True)
        best = min(best or (reached, rate), (reached, rate))

    head = Features(generator, layer, range(32))
    batched = seconds(lambda: list(head)) / 32
    single = iter(Features(generator, layer, range(8), batch=1))
    alone = median(seconds(lambda: next(single)) for _ in range(8))
    ratio = theirs / median(ours)
    passes = options.steps * (a_step + alone) / (median(ours) + options.samples * batched)
    print(f"  a released step {1000 * a_step:.0f} ms, so {theirs:.0f} s (extrapolated)")
    print(f"  a generator pass {1000 * alone:.0f} ms alone, {1000 * batched:.0f} ms in a batch")
    print(
        f"  to its own end: {ratio:.0f} times sooner; {passes:.0f} times with generator passes on"
        " both sides"
    )
    if best:
        lower = "lower" if loss < best[0] else "NOT LOWER"
        print(
            f"  loss {loss:.4f}, {lower} than the rule's {best[0]:.4f} at its best rate {best[1]:g}"
        )
        reached, taken = until(batches, Z, ranks, best[0])
        print(
            f"  to the rule's loss: {reached:.4f} in {taken:.2f} s, {theirs / taken:.0f} times"
            " sooner",
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
