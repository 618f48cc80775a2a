"""A layer on a GPU or a CPU, the clock for it, and what several tables need of it."""

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
"""A figure is the median of so many runs, or of fewer where they have taken so many seconds."""


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
