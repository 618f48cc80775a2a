"""What benchmarks/gpu.py measures: a function for each table, which gives its rows."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from statistics import median

import torch
from gpu_cases import Case, Row, exact_convolutions, tf32, typical
from solvers import Clock, channel_scatter, released_step, rule, until

from panda import PandaError
from panda.factorization.basis import MIXTURES, ROWS
from panda.factorization.fit import fit
from panda.factorization.samples import Samples
from panda.factorization.shares import Batches
from panda.factorization.solvers.joint import joint
from panda.factorization.statistics import BASIS_BYTES, BASIS_SAMPLES, Statistics, gather
from panda.generators.contract import Generator

TOGETHER = 20
"""Released steps between two looks at the clock: a GPU is not made to wait after each."""


def ceilings(device: torch.device, size: int, clock: Clock) -> dict[str, float]:
    """What the machine reaches: FLOP/s of square products by type, bytes/s of a copy.

    A product of n x n matrices is 2 n^3 FLOPs; a copy reads and writes 32 n^2 bytes each.
    """
    a, b = (torch.randn(size, size, device=device) for _ in range(2))
    halves = a.bfloat16(), b.bfloat16()
    source = torch.zeros(8 * size * size, device=device)
    target = torch.empty_like(source)

    def per_second(work: Callable[[], object], amount: float) -> float:
        work()
        return 10 * amount / typical(lambda: [work() for _ in range(10)], clock)

    flops = 2.0 * size**3
    found = {"float32": per_second(lambda: a @ b, flops)}
    if device.type == "cuda":
        with tf32():
            found["TF32"] = per_second(lambda: a @ b, flops)
    found["bf16"] = per_second(lambda: halves[0] @ halves[1], flops)
    found["copy"] = per_second(lambda: target.copy_(source), 2 * source.nbytes)
    return found


def generator_passes(case: Case) -> Iterator[Row]:
    """Head passes alone and in batches."""
    for size, taken in case.passes.items():
        yield case.title | {
            "alone, ms": 1000 * case.pass_alone,
            "batch": size,
            "a sample of a batch, ms": 1000 * taken / case.count,
        }


def step_seconds(case: Case) -> float:
    """Seconds of a step of the rule in the released order, on one sample."""
    Z = case.stack[:1].clone()
    A = torch.eye(case.layer.channels, device=Z.device)
    P = torch.full((case.layer.positions, case.parts), 0.01, device=Z.device)
    together = TOGETHER if Z.is_cuda else 1
    released_step(A, P, Z, 1e-9)
    taken = typical(lambda: [released_step(A, P, Z, 1e-9) for _ in range(together)], case.clock)
    return taken / together


def solving(case: Case, steps: int) -> Iterator[Row]:
    """The joint solver beside the rule."""
    _, solution, ours = case.ours
    step = step_seconds(case)
    with tf32():
        coarse = step_seconds(case)
    theirs = steps * step
    passes = ours + min(case.passes.values())
    row = case.title | {
        "rate": case.rate,
        "steps": steps,
        "a released step, ms": 1000 * step,
        "with TF32, ms": 1000 * coarse,
        "all steps, s (extrapolated)": theirs,
        "with TF32, s (extrapolated)": steps * coarse,
        "our loss": case.loss(solution),
        "ours to its end, s": ours,
        "times sooner (extrapolated)": theirs / ours,
        "with passes on both sides (extrapolated)": (theirs + steps * case.pass_alone) / passes,
    }
    try:
        wanted = rule(case.stack, channel_scatter(case.stack), case.ranks, case.rate, steps)
    except PandaError as error:
        print(f"{case.layer.name}: {error}", file=sys.stderr)
        yield row
        return
    batches = case.stack.split(case.sizes[-1])
    reached, taken = until(batches, case.stack, case.ranks, wanted, case.clock)
    yield row | {
        "rule's loss": wanted,
        "ours stopped at": reached,
        "after, s": taken,
        "so times sooner (extrapolated)": theirs / taken,
        "so with TF32 (extrapolated)": steps * coarse / taken,
    }


def whole_fit(case: Case) -> Iterator[Row]:
    """A fit beside its bare head passes, and where its time goes."""
    for size, bare in case.passes.items():

        def work(size: int = size) -> object:
            name, seeds = case.layer.name, range(case.count)
            return fit(case.generator, name, parts=case.parts, seeds=seeds, batch=size)

        found = []
        whole = typical(lambda work=work, found=found: found.append(work()), case.clock)
        stages = [factors.config["seconds"] for factors in found]
        sampling, solved = (median(x[stage] for x in stages) for stage in ("sampling", "solving"))
        yield case.title | {
            "batch": size,
            "bare passes, s": bare,
            "fit, s": whole,
            "fit over bare passes": whole / bare,
            "of it sampling, wall s": sampling,
            "of it solving, wall s": solved,
        }


def statistics_work(case: Case) -> tuple[float, float]:
    """FLOPs and bytes of gathering N samples ``[C, S]`` in a basis of K columns.

    FLOPs: 2 N C S K for Z Q; 3 N C S for the mean and the energy, 2 N C K for the energy kept.
    Bytes: Z is read three times, and the running sum read and written for each sample: 20 N C S;
    Z Q is written and read: 8 N C K. Where K < S, the basis adds, for B samples seen through J
    mixtures and M folded channels: 2 B J C S + 2 B C S + 4 B M S K FLOPs, and 16 B C S + 8 B M S
    bytes (read to be mixed; read, and summed onto what is read and written; the folded ones read
    twice). Matrix decompositions, which do not grow with N, are not counted.
    """
    n, c, s = case.count, case.layer.channels, case.layer.positions
    k = case.ours[0].basis.shape[1]
    flops = 2.0 * n * c * s * k + 3.0 * n * c * s + 2.0 * n * c * k
    moved = 20.0 * n * c * s + 8.0 * n * c * k
    if k < s:
        held = min(n, BASIS_SAMPLES, max(1, BASIS_BYTES // (4 * c * s)))
        mixtures, folded = min(c, -(-ROWS // held)), min(c, MIXTURES)
        flops += 2.0 * held * s * (mixtures * c + c + 2 * folded * k)
        moved += held * s * (16.0 * c + 8.0 * folded)
    return flops, moved


def head_work(case: Case) -> tuple[float, float]:
    """FLOPs and bytes of N head passes of MobileStyleGAN in batches, op by op, in float32.

    A doubling of C channels on P positions scales them and undoes a Haar transform: 3 C P FLOPs,
    8 C P numbers read or written. A convolution from X numbers in D channels to Y numbers scales,
    adds a border, convolves 3 x 3 within channels, multiplies by ``[D, C]`` and adds bias, noise
    and the activation: 19 X + 2 D Y + 3 Y FLOPs, 7 X + 5 Y numbers. Last, features are copied and
    checked: 3 Y numbers. Left out are weights, and the float64 products of mapping and styles (a
    few percent of the FLOPs at 16 x 16, less above).
    """
    before, *others = case.generator.layers.values()
    flops = moved = 0.0
    for layer in others:
        x, y = (each.channels * each.positions for each in (before, layer))
        inputs = before.channels
        if layer.positions > before.positions:
            flops, moved, inputs = flops + 3 * x, moved + 8 * x, inputs // 4
        flops += 19 * x + (2 * inputs + 3) * y
        moved += 7 * x + 5 * y
        before = layer
        if layer.name == case.layer.name:
            break
    return case.count * flops, 4 * case.count * (moved + 3 * before.channels * before.positions)


def shares(case: Case, most: dict[str, float]) -> Iterator[Row]:
    """Head passes and statistics as shares of the ceilings."""

    def row(what: str, size: int, work: tuple[float, float], taken: float) -> Row:
        flops, moved = work
        head: Row = {"what": what, "batch": size, "s": taken, "TFLOP": flops / 1e12}
        rates = {name: (moved if name == "copy" else flops) / taken for name in most}
        parts = {f"of {name}, %": 100 * rates[name] / peak for name, peak in most.items()}
        speeds = {"TFLOP/s": flops / taken / 1e12, "GB": moved / 1e9, "GB/s": moved / taken / 1e9}
        return case.title | head | speeds | parts

    for size in case.sizes:
        batches = case.stack.split(size)
        taken = typical(lambda batches=batches: gather(batches, case.count, case.parts), case.clock)
        yield row("statistics", size, statistics_work(case), taken)
    if case.generator.name.startswith("mobilestylegan"):
        for size, taken in case.passes.items():
            yield row("head passes", size, head_work(case), taken)


class Rounded:
    """Batches of features as bf16 would hold them."""

    def __init__(self, batches: tuple[torch.Tensor, ...]) -> None:
        self._batches = batches

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self._batches[index].bfloat16().float()


def in_bf16(case: Case) -> Statistics:
    """Statistics whose samples are products of bf16 matrices, in the basis of the exact ones."""
    found = case.ours[0]
    basis, samples = (
        found.basis.bfloat16(),
        Samples(case.count, found.samples.row, case.stack.device),
    )
    for batch in case.stack.split(case.sizes[-1]):
        samples.append((batch.bfloat16() @ basis).float())
    return replace(found, samples=samples)


def precision(case: Case) -> Iterator[Row]:
    """What the fit loses to TF32 and bf16, by the exact loss over the float32 features."""
    batches = case.stack.split(case.sizes[-1])
    _, exact, _ = case.ours
    least = case.loss(exact)

    def row(how: str, keep: Callable[[], Statistics], coarse: bool = False) -> Row:
        with tf32() if coarse else nullcontext():
            times = [case.clock()]
            statistics = keep()
            times.append(case.clock())
            found = joint(statistics, *case.ranks)
            times.append(case.clock())
        ours, other = (x.parts / x.parts.norm(dim=0) for x in (exact, found))
        loss = case.loss(found)
        return case.title | {
            "how": how,
            "statistics, s": times[1] - times[0],
            "solving, s": times[2] - times[1],
            "loss": loss,
            "over float32's": loss - least,
            "loss as it saw it": found.trace[-1],
            "least cosine of a part": float((ours.T @ other).amax(1).min()),
        }

    def gathered(source: Batches) -> Statistics:
        return gather(source, case.count, case.parts)

    anew = case.features(case.sizes[-1])
    yield case.title | {"how": "float32", "loss": least, "loss as it saw it": exact.trace[-1]}
    yield row("TF32", lambda: gathered(batches), coarse=True)
    yield row("TF32, head passes too (their time included)", lambda: gathered(anew), coarse=True)
    yield row("bf16 features", lambda: gathered(Rounded(batches)))
    yield row("bf16 features and basis", lambda: in_bf16(case))


def head_precision(case: Case, reference: Generator) -> Iterator[Row]:
    """How far features move with TF32, and from those of a CPU, relative to their norm."""
    few = case.features(8, 8)
    usual = few[0]
    with exact_convolutions():
        exact = few[0]
    with tf32():
        coarse = few[0]
    there = replace(few, generator=reference)[0].to(exact)
    yield case.title | {
        "TF32 in convolutions, as torch does it": distance(usual, exact),
        "TF32 in products too": distance(coarse, exact),
        "float32 on a CPU": distance(there, exact),
    }


def distance(one: torch.Tensor, other: torch.Tensor) -> float:
    """How far apart they are, relative to the second one's norm."""
    return float((one - other).norm() / other.norm())
