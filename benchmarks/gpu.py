"""The solvers, a whole fit and its parts on a GPU, as shares of what that machine can do.

    python benchmarks/gpu.py --json gpu.json                       # about a minute
    python benchmarks/gpu.py --device cpu --samples 64 --matrix 1024 --layers 8.conv2:4:3e-6

Seconds are those of the wall, the GPU idle at both ends; on a CPU they are CPU seconds. A figure is
the median of up to five runs, of fewer where a second has gone by. Both solvers get the same
features; losses are exact, over all samples, as a fraction of the energy. The rule's loss is that
after all its steps, taken in an order that gives the same numbers sooner; its time is that of a
step in the released order times the steps, and says "extrapolated". Float32 is exact float32 where
nothing else is said. What would begin after ``--seconds`` is left out, and named.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from statistics import median

import torch
from solvers import Clock, channel_scatter, released_step, rule, seconds, until

from panda import PandaError, create_generator
from panda.basis import MIXTURES, ROWS
from panda.factorize import fit, reconstruction_loss
from panda.features import Features
from panda.generator import Generator, Layer
from panda.samples import Samples
from panda.solvers.joint import Solution, joint
from panda.statistics import BASIS_BYTES, BASIS_SAMPLES, Batches, Statistics, gather

Row = dict[str, str | int | float | None]

RUNS, ENOUGH = 5, 1.0
"""A figure is the median of so many runs, or of fewer where they have taken so many seconds."""

TOGETHER = 20
"""Released steps between two looks at the clock: a GPU is not made to wait after each."""


def cuda_clock() -> float:
    """Wall seconds, once the GPU has done all that it was given."""
    torch.cuda.synchronize()
    return time.perf_counter()


def typical(work: Callable[[], object], clock: Clock) -> float:
    """Median seconds of a call."""
    taken: list[float] = []
    while len(taken) < RUNS and sum(taken) < ENOUGH:
        taken.append(seconds(work, clock))
    return median(taken)


@contextmanager
def tf32() -> Iterator[None]:
    """Let products of float32 matrices use TF32."""
    torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision("highest")


@contextmanager
def exact_convolutions() -> Iterator[None]:
    """Keep cuDNN from TF32, which torch lets it use where nobody forbids it."""
    allowed = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = allowed


@dataclass
class Case:
    """A layer, and what more than one table needs of it."""

    generator: Generator
    layer: Layer
    parts: int
    rate: float
    count: int
    batch: int | None
    clock: Clock

    @property
    def title(self) -> Row:
        """The first columns of each table."""
        return {"layer": self.layer.name, "R_S": self.parts}

    @property
    def ranks(self) -> tuple[int, int]:
        """R_C and R_S."""
        return self.layer.channels, self.parts

    def features(self, batch: int | None, count: int | None = None) -> Features:
        """Features that are sampled anew."""
        return Features(self.generator, self.layer, range(count or self.count), batch=batch)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Samples of a batch: what was asked for, and what a fit takes of itself."""
        found = (self.features(self.batch).size, self.features(None).size)
        return tuple(dict.fromkeys(min(size, self.count) for size in found))

    @cached_property
    def stack(self) -> torch.Tensor:
        """All features ``[N, C, S]``, on the device."""
        shape = self.count, self.layer.channels, self.layer.positions
        Z = torch.empty(shape, device=self.generator.device)
        features = self.features(self.batch)
        for index in range(len(features)):
            Z[index * features.size :][: features.size] = features[index]
        return Z

    def loss(self, found: Solution) -> float:
        """The exact loss of factors."""
        return reconstruction_loss(found.appearances, found.parts, self.stack.split(10))

    @cached_property
    def ours(self) -> tuple[Statistics, Solution, float]:
        """The joint solver to its own end, and its seconds."""

        found: list[tuple[Statistics, Solution]] = []

        def work() -> None:
            statistics = gather(self.stack.split(self.sizes[-1]), self.count, self.parts)
            found.append((statistics, joint(statistics, *self.ranks)))

        taken = typical(work, self.clock)
        return *found[-1], taken

    @cached_property
    def pass_alone(self) -> float:
        """Seconds of a generator pass of one sample."""
        one = self.features(1)
        return median(seconds(lambda index=index: one[index], self.clock) for index in range(16))

    @cached_property
    def passes(self) -> dict[int, float]:
        """Seconds of all N generator passes in batches, by the size of a batch."""

        def run(features: Features) -> None:
            for index in range(len(features)):
                features[index]

        for size in self.sizes:  # the first passes load and choose kernels
            run(self.features(size))
        return {
            size: typical(lambda size=size: run(self.features(size)), self.clock)
            for size in self.sizes
        }


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


def markdown(title: str, rows: list[Row]) -> str:
    """A table, with a column for every key that a row has."""
    keys = list(dict.fromkeys(key for row in rows for key in row))

    def line(cells: list[str]) -> str:
        return "| " + " | ".join(cells) + " |"

    def shown(value: str | int | float | None) -> str:
        return f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)

    body = [line([shown(row.get(key)) for key in keys]) for row in rows]
    return "\n".join([f"\n## {title}\n", line(keys), line(["---"] * len(keys)), *body])


def cases(generator: Generator, options: argparse.Namespace, clock: Clock) -> list[Case]:
    """The layers that were asked for."""
    found = []
    for text in options.layers.split(","):
        name, parts, rate = text.split(":")
        layer = generator.layer(name)
        found.append(
            Case(generator, layer, int(parts), float(rate), options.samples, options.batch, clock)
        )
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--generator", default="mobilestylegan-ffhq-1024")
    parser.add_argument(
        "--layers",
        default="16.conv2:8:3e-6,32.conv2:16:1e-6,64.conv2:16:5e-8",
        help="each with its parts and the rule's learning rate",
    )
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--batch", type=int, help="samples, beside what a fit takes of itself")
    parser.add_argument("--matrix", type=int, default=8192, help="rows of the machine's products")
    parser.add_argument("--seconds", type=float, default=60, help="nothing begins after so many")
    parser.add_argument("--json", type=Path, help="write all tables here as well")
    options = parser.parse_args()

    torch.set_grad_enabled(False)
    started = time.perf_counter()
    device = torch.device(options.device)
    on_gpu = device.type == "cuda"
    clock = cuda_clock if on_gpu else time.process_time
    generator = create_generator(options.generator, device=device)
    machine = torch.cuda.get_device_name(device) if on_gpu else "CPU"
    print(
        f"{options.generator}, {options.samples} samples, {machine},"
        f" {torch.get_num_threads()} threads, torch {torch.__version__}",
        flush=True,
    )
    todo = cases(generator, options, clock)
    warm = todo[0]
    fit(generator, warm.layer.name, parts=warm.parts, seeds=range(64), batch=options.batch)
    most = ceilings(device, options.matrix, clock)
    tables: dict[str, list[Row]] = {
        "Ceilings": [
            {"what": name, "TB/s" if name == "copy" else "TFLOP/s": peak / 1e12}
            for name, peak in most.items()
        ]
    }
    print(markdown("Ceilings", tables["Ceilings"]), flush=True)
    sections: dict[str, Callable[[Case], Iterator[Row]]] = {
        "Generator passes": generator_passes,
        "Solving": lambda case: solving(case, options.steps),
        "Whole fit": whole_fit,
        "Shares of the ceilings": lambda case: shares(case, most),
    }
    if on_gpu:
        reference = create_generator(options.generator)
        sections["Features"] = lambda case: head_precision(case, reference)
    sections["Precision"] = precision
    missing = []
    for title, section in sections.items():
        rows = tables[title] = []
        for case in todo:
            if time.perf_counter() - started > options.seconds:
                missing.append(f"{title}, {case.layer.name}: no time was left")
                continue
            try:
                rows += section(case)
            except Exception as error:  # the other tables are worth having
                traceback.print_exc()
                missing.append(f"{title}, {case.layer.name}: {error}")
        if rows:
            print(markdown(title, rows), flush=True)
        if options.json:
            found = {"machine": machine, "torch": torch.__version__, "missing": missing}
            facts = {"generator": options.generator, "samples": options.samples}
            options.json.write_text(json.dumps(facts | found | {"tables": tables}, indent=1))
    print("\n" + "\n".join(f"left out: {what}" for what in missing))
    print(f"{time.perf_counter() - started:.0f} s in all")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
