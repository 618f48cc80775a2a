"""The tables of benchmarks/gpu.py: one function for each, which yields its rows."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from statistics import median

import torch
from gpu_cases import Case, Row, exact_convolutions, median_seconds, tf32
from solvers import Clock, channel_scatter, fit_to_loss, released_step, rule_loss

from panda import PandaError
from panda.factorization.basis import MIXTURES, ROWS
from panda.factorization.fit import fit
from panda.factorization.samples import Samples
from panda.factorization.shares import Batches
from panda.factorization.solvers.joint import joint
from panda.factorization.statistics import BASIS_BYTES, BASIS_SAMPLES, Statistics, gather
from panda.generators.contract import Generator

STEPS_PER_TIMING = 20
"""Released steps in each timing on a GPU, so that it is not synchronized after each step."""


def peak_rates(device: torch.device, size: int, clock: Clock) -> dict[str, float]:
    """Return peak FLOP/s of products of square matrices, by type, and peak bytes/s of copies.

    A product of n x n matrices takes 2 n^3 FLOPs; a copy reads 32 n^2 bytes and writes as many.
    """
    a, b = (torch.randn(size, size, device=device) for _ in range(2))
    halves = a.bfloat16(), b.bfloat16()
    source = torch.zeros(8 * size * size, device=device)
    target = torch.empty_like(source)

    def per_second(work: Callable[[], object], amount: float) -> float:
        work()
        return 10 * amount / median_seconds(lambda: [work() for _ in range(10)], clock)

    flops = 2.0 * size**3
    rates = {"float32": per_second(lambda: a @ b, flops)}
    if device.type == "cuda":
        with tf32():
            rates["TF32"] = per_second(lambda: a @ b, flops)
    rates["bf16"] = per_second(lambda: halves[0] @ halves[1], flops)
    rates["copy"] = per_second(lambda: target.copy_(source), 2 * source.nbytes)
    return rates


def head_passes(case: Case) -> Iterator[Row]:
    """Yield the times of head passes alone and in batches."""
    for size, elapsed in case.passes.items():
        yield case.title | {
            "single sample, ms": 1000 * case.single_pass,
            "batch": size,
            "per sample of a batch, ms": 1000 * elapsed / case.count,
        }


def step_seconds(case: Case) -> float:
    """Return the seconds of a step of the rule in the released order, on one sample."""
    Z = case.stack[:1].clone()
    A = torch.eye(case.layer.channels, device=Z.device)
    P = torch.full((case.layer.positions, case.parts), 0.01, device=Z.device)
    steps = STEPS_PER_TIMING if Z.is_cuda else 1
    released_step(A, P, Z, 1e-9)
    elapsed = median_seconds(
        lambda: [released_step(A, P, Z, 1e-9) for _ in range(steps)], case.clock
    )
    return elapsed / steps


def solving(case: Case, steps: int) -> Iterator[Row]:
    """Yield a comparison of the joint solver with the rule."""
    _, solution, ours = case.ours
    step = step_seconds(case)
    with tf32():
        step_tf32 = step_seconds(case)
    theirs = steps * step
    ours_with_passes = ours + min(case.passes.values())
    row = case.title | {
        "learning rate": case.rate,
        "steps": steps,
        "released step, ms": 1000 * step,
        "released step with TF32, ms": 1000 * step_tf32,
        "all released steps, s (extrapolated)": theirs,
        "all with TF32, s (extrapolated)": steps * step_tf32,
        "our loss": case.loss(solution),
        "ours until it converges, s": ours,
        "times faster (extrapolated)": theirs / ours,
        "times faster with passes on both sides (extrapolated)": (
            (theirs + steps * case.single_pass) / ours_with_passes
        ),
    }
    try:
        target = rule_loss(case.stack, channel_scatter(case.stack), case.ranks, case.rate, steps)
    except PandaError as error:
        print(f"{case.layer.name}: {error}", file=sys.stderr)
        yield row
        return
    batches = case.stack.split(case.sizes[-1])
    loss, elapsed = fit_to_loss(batches, case.stack, case.ranks, target, case.clock)
    yield row | {
        "rule's loss": target,
        "ours stopped early: loss": loss,
        "stopped early, s": elapsed,
        "times faster to the rule's loss (extrapolated)": theirs / elapsed,
        "the same with TF32 in the rule (extrapolated)": steps * step_tf32 / elapsed,
    }


def whole_fit(case: Case) -> Iterator[Row]:
    """Yield the times of a fit, of its bare head passes and of its stages."""
    for size, bare in case.passes.items():

        def work(size: int = size) -> object:
            name, seeds = case.layer.name, range(case.count)
            return fit(case.generator, name, parts=case.parts, seeds=seeds, batch=size)

        fits = []
        whole = median_seconds(lambda work=work, fits=fits: fits.append(work()), case.clock)
        stages = [factors.config["seconds"] for factors in fits]
        sampling, solving = (median(x[stage] for x in stages) for stage in ("sampling", "solving"))
        yield case.title | {
            "batch": size,
            "bare passes, s": bare,
            "fit, s": whole,
            "fit / bare passes": whole / bare,
            "sampling, wall s": sampling,
            "solving, wall s": solving,
        }


def statistics_work(case: Case) -> tuple[float, float]:
    """Return FLOPs and bytes of gathering N samples ``[C, S]`` in a basis of K columns.

    FLOPs: 2 N C S K for Z Q, 3 N C S for the mean and the energy, 2 N C K for the retained energy.
    Bytes: Z is read three times, and the running sum is read and written for each sample: 20 N C S;
    Z Q is written and read: 8 N C K. Where K < S, the basis adds, for B samples in J mixtures and M
    folded channels, 2 B J C S + 2 B C S + 4 B M S K FLOPs and 16 B C S + 8 B M S bytes (one read
    for the mixtures; a read and an accumulation, which reads and writes, for the folded channels,
    which are then read twice). Matrix decompositions do not grow with N and are not counted.
    """
    n, c, s = case.count, case.layer.channels, case.layer.positions
    k = case.ours[0].basis.shape[1]
    flops = 2.0 * n * c * s * k + 3.0 * n * c * s + 2.0 * n * c * k
    moved = 20.0 * n * c * s + 8.0 * n * c * k
    if k < s:
        b = min(n, BASIS_SAMPLES, max(1, BASIS_BYTES // (4 * c * s)))
        mixtures, folded = min(c, -(-ROWS // b)), min(c, MIXTURES)
        flops += 2.0 * b * s * (mixtures * c + c + 2 * folded * k)
        moved += b * s * (16.0 * c + 8.0 * folded)
    return flops, moved


def head_work(case: Case) -> tuple[float, float]:
    """Return FLOPs and bytes of N head passes of MobileStyleGAN, by operation, in float32.

    Upsampling by 2, of C channels with P positions, scales them and inverts a Haar transform: 3 C P
    FLOPs, and 8 C P numbers read or written. A convolution from X numbers in D channels to Y
    numbers scales, pads, convolves 3 x 3 within channels, multiplies by ``[D, C]`` and adds bias,
    noise and the activation: 19 X + 2 D Y + 3 Y FLOPs, 7 X + 5 Y numbers. Finally the features are
    copied and checked: 3 Y numbers. Weights are not counted, nor are the float64 products of
    mapping and styles (a few percent of the FLOPs at 16 x 16, less at higher resolutions).
    """
    previous, *layers = case.generator.layers.values()
    flops = moved = 0.0
    for layer in layers:
        x, y = (each.channels * each.positions for each in (previous, layer))
        inputs = previous.channels
        if layer.positions > previous.positions:
            flops, moved, inputs = flops + 3 * x, moved + 8 * x, inputs // 4
        flops += 19 * x + (2 * inputs + 3) * y
        moved += 7 * x + 5 * y
        previous = layer
        if layer.name == case.layer.name:
            break
    return case.count * flops, 4 * case.count * (moved + 3 * previous.channels * previous.positions)


def shares(case: Case, peaks: dict[str, float]) -> Iterator[Row]:
    """Yield the rates of statistics and head passes, and their shares of the peak rates."""

    def row(stage: str, size: int, work: tuple[float, float], elapsed: float) -> Row:
        flops, moved = work
        head: Row = {"stage": stage, "batch": size, "s": elapsed, "TFLOP": flops / 1e12}
        rates = {name: (moved if name == "copy" else flops) / elapsed for name in peaks}
        parts = {f"of {name}, %": 100 * rates[name] / peak for name, peak in peaks.items()}
        speeds = {
            "TFLOP/s": flops / elapsed / 1e12,
            "GB": moved / 1e9,
            "GB/s": moved / elapsed / 1e9,
        }
        return case.title | head | speeds | parts

    for size in case.sizes:
        batches = case.stack.split(size)
        elapsed = median_seconds(
            lambda batches=batches: gather(batches, case.count, case.parts), case.clock
        )
        yield row("statistics", size, statistics_work(case), elapsed)
    if case.generator.name.startswith("mobilestylegan"):
        for size, elapsed in case.passes.items():
            yield row("head passes", size, head_work(case), elapsed)


class Rounded:
    """Batches of features, rounded to bf16."""

    def __init__(self, batches: tuple[torch.Tensor, ...]) -> None:
        self._batches = batches

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self._batches[index].bfloat16().float()


def in_bf16(case: Case) -> Statistics:
    """Return statistics whose samples are products of bf16 matrices, with the exact basis."""
    exact = case.ours[0]
    basis, samples = (
        exact.basis.bfloat16(),
        Samples(case.count, exact.samples.row, case.stack.device),
    )
    for batch in case.stack.split(case.sizes[-1]):
        samples.append((batch.bfloat16() @ basis).float())
    return replace(exact, samples=samples)


def precision(case: Case) -> Iterator[Row]:
    """Yield the effect of TF32 and bf16 on a fit: its exact loss over the float32 features."""
    batches = case.stack.split(case.sizes[-1])
    _, exact, _ = case.ours
    exact_loss = case.loss(exact)

    def row(variant: str, compress: Callable[[], Statistics], use_tf32: bool = False) -> Row:
        with tf32() if use_tf32 else nullcontext():
            times = [case.clock()]
            statistics = compress()
            times.append(case.clock())
            solution = joint(statistics, *case.ranks)
            times.append(case.clock())
        ours, other = (x.parts / x.parts.norm(dim=0) for x in (exact, solution))
        loss = case.loss(solution)
        return case.title | {
            "variant": variant,
            "statistics, s": times[1] - times[0],
            "solving, s": times[2] - times[1],
            "loss": loss,
            "minus float32's": loss - exact_loss,
            "loss by its statistics": solution.trace[-1],
            "minimum cosine of a part": float((ours.T @ other).amax(1).min()),
        }

    def gathered(source: Batches) -> Statistics:
        return gather(source, case.count, case.parts)

    resampled = case.features(case.sizes[-1])
    yield case.title | {
        "variant": "float32",
        "loss": exact_loss,
        "loss by its statistics": exact.trace[-1],
    }
    yield row("TF32", lambda: gathered(batches), use_tf32=True)
    yield row(
        "TF32, head passes too (their time included)", lambda: gathered(resampled), use_tf32=True
    )
    yield row("bf16 features", lambda: gathered(Rounded(batches)))
    yield row("bf16 features and basis", lambda: in_bf16(case))


def head_precision(case: Case, reference: Generator) -> Iterator[Row]:
    """Yield the relative differences of features with TF32, and between GPU and CPU."""
    features = case.features(8, 8)
    default = features[0]
    with exact_convolutions():
        exact = features[0]
    with tf32():
        all_tf32 = features[0]
    on_cpu = replace(features, generator=reference)[0].to(exact)
    yield case.title | {
        "TF32 in convolutions (torch's default)": relative_difference(default, exact),
        "TF32 in products too": relative_difference(all_tf32, exact),
        "float32 on a CPU": relative_difference(on_cpu, exact),
    }


def relative_difference(x: torch.Tensor, reference: torch.Tensor) -> float:
    """Return the norm of the difference, relative to that of the reference."""
    return float((x - reference).norm() / reference.norm())
