"""The features of many samples, in batches: the one place that runs ``G[:l]`` in bulk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from panda.errors import PandaError
from panda.generators.contract import Generator, Layer
from panda.progress import bar

BATCH, BATCH_BYTES = 32, 16 * 2**20
"""A batch has so many samples, or as many as fit: on a CPU, larger ones only cost memory and time.

Batches are what processes share out, so their size depends on nothing but layer and device.
"""

GPU_BATCH, GPU_BATCH_BYTES = 128, 2**30
"""On a GPU a small batch leaves most of it idle: measured, up to nine times the time a sample."""

HUGE = 1e10
"""Solvers multiply features four times; networks have none beyond some 1e5."""


@dataclass(frozen=True)
class Features:
    """Where features come from: which generator, layer and seeds, sampled how.

    A sequence of batches ``[B, C, S]``, in the order of the seeds; each is sampled when it is asked
    for. All have ``size`` samples, but for the last, which may have fewer.
    """

    generator: Generator
    layer: Layer
    seeds: Sequence[int]
    truncation: float = 1.0
    label: int | None = None
    batch: int | None = None

    @property
    def size(self) -> int:
        """The number of samples of a batch."""
        sample = 4 * self.layer.channels * self.layer.positions
        on_gpu = self.generator.device.type == "cuda"
        most, room = (GPU_BATCH, GPU_BATCH_BYTES) if on_gpu else (BATCH, BATCH_BYTES)
        return self.batch or max(1, min(most, room // sample))

    def __len__(self) -> int:
        return -(-len(self.seeds) // self.size)

    def __getitem__(self, index: int) -> Tensor:
        """Sample a batch, as float32 whatever the generator computes in.

        Raises `PandaError` for NaN, infinity, numbers beyond `HUGE`, and a shape not declared.
        """
        if index >= len(self):
            raise IndexError(index)
        seeds = self.seeds[index * self.size : (index + 1) * self.size]
        latents = self.generator.sample(seeds, truncation=self.truncation, label=self.label)
        return self._checked(self.generator.head(latents, self.layer.name).x, seeds)

    def __iter__(self) -> Iterator[Tensor]:
        """Sample all batches, and show progress."""
        with bar(total=len(self.seeds), desc=f"sample {self.layer.name}", unit="img") as progress:
            for index in range(len(self)):
                batch = self[index]
                yield batch
                progress.update(len(batch))

    def _checked(self, x: Tensor, seeds: Sequence[int]) -> Tensor:
        layer = self.layer
        expected = (len(seeds), layer.channels, layer.height, layer.width)
        if tuple(x.shape) != expected:
            raise PandaError(
                f"{self.generator.name} gave features {tuple(x.shape)} at {layer.name},"
                f" its layer says {expected}"
            )
        if not x.is_floating_point():
            raise PandaError(
                f"{self.generator.name} gave features of {x.dtype} at {layer.name}, expected floats"
            )
        x = x.flatten(2).float()
        if not _are_sane(x):
            broken = next(seed for seed, row in zip(seeds, x, strict=True) if not _are_sane(row))
            raise PandaError(
                f"{self.generator.name} gave NaN, infinite or huge (over {HUGE:g}) features at"
                f" {layer.name} for seed {broken}; factors of such features would be wrong"
            )
        return x


def _are_sane(x: Tensor) -> bool:
    """Whether all are numbers that can be multiplied.

    The norm, which takes a twentieth of the time, almost always knows; it and a minimum are NaN
    where any number is.
    """
    if float(torch.linalg.vector_norm(x)) <= HUGE:
        return True
    return all(abs(float(end)) <= HUGE for end in torch.aminmax(x))
