"""Clocks, and the measurements of a layer that several tables share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from statistics import median

import torch
from solvers import Clock, seconds

from panda.factorization.features import Features
from panda.factorization.fit import reconstruction_loss
from panda.factorization.solvers.joint import Solution, joint
from panda.factorization.statistics import Statistics, gather
from panda.generators.contract import Generator, Layer

Row = dict[str, str | int | float | None]

RUNS, ENOUGH = 5, 1.0
"""Runs of each measurement, and the seconds after which no further run starts."""


def cuda_clock() -> float:
    """Synchronize the GPU and return wall seconds."""
    torch.cuda.synchronize()
    return time.perf_counter()


def median_seconds(work: Callable[[], object], clock: Clock) -> float:
    """Return the median seconds of a call."""
    times: list[float] = []
    while len(times) < RUNS and sum(times) < ENOUGH:
        times.append(seconds(work, clock))
    return median(times)


@contextmanager
def tf32() -> Iterator[None]:
    """Allow TF32 in products of float32 matrices."""
    torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision("highest")


@contextmanager
def exact_convolutions() -> Iterator[None]:
    """Forbid TF32 in cuDNN, where torch allows it by default."""
    allowed = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = allowed


@dataclass
class Case:
    """A layer with its options; measurements are made once, when they are first used."""

    generator: Generator
    layer: Layer
    parts: int
    rate: float
    count: int
    batch: int | None
    clock: Clock

    @property
    def title(self) -> Row:
        """The first columns of each row."""
        return {"layer": self.layer.name, "R_S": self.parts}

    @property
    def ranks(self) -> tuple[int, int]:
        """The ranks R_C and R_S."""
        return self.layer.channels, self.parts

    def features(self, batch: int | None, count: int | None = None) -> Features:
        """Return features that are sampled on access."""
        return Features(self.generator, self.layer, range(count or self.count), batch=batch)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The batch sizes: the option, and the default of a fit."""
        sizes = (self.features(self.batch).size, self.features(None).size)
        return tuple(dict.fromkeys(min(size, self.count) for size in sizes))

    @cached_property
    def stack(self) -> torch.Tensor:
        """All features ``[N, C, S]``, on the device."""
        shape = self.count, self.layer.channels, self.layer.positions
        Z = torch.empty(shape, device=self.generator.device)
        features = self.features(self.batch)
        for index in range(len(features)):
            Z[index * features.size :][: features.size] = features[index]
        return Z

    def loss(self, solution: Solution) -> float:
        """Return the exact loss of factors."""
        return reconstruction_loss(solution.appearances, solution.parts, self.stack.split(10))

    @cached_property
    def ours(self) -> tuple[Statistics, Solution, float]:
        """Statistics and solution of the joint solver, run until it converges, and its seconds."""
        results: list[tuple[Statistics, Solution]] = []

        def work() -> None:
            statistics = gather(self.stack.split(self.sizes[-1]), self.count, self.parts)
            results.append((statistics, joint(statistics, *self.ranks)))

        elapsed = median_seconds(work, self.clock)
        return *results[-1], elapsed

    @cached_property
    def single_pass(self) -> float:
        """Seconds of a head pass of one sample."""
        single = self.features(1)
        return median(seconds(lambda index=index: single[index], self.clock) for index in range(16))

    @cached_property
    def passes(self) -> dict[int, float]:
        """Seconds of the head passes of all N samples, by batch size."""

        def run(features: Features) -> None:
            for index in range(len(features)):
                features[index]

        for size in self.sizes:  # warm-up: the first passes load and choose kernels
            run(self.features(size))
        return {
            size: median_seconds(lambda size=size: run(self.features(size)), self.clock)
            for size in self.sizes
        }
