"""The features of many samples, in batches: the only module that runs ``G[:l]`` in bulk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from panda.errors import PandaError
from panda.generators.contract import Generator, Layer
from panda.generators.labels import Label
from panda.progress import bar

BATCH, BATCH_BYTES = 32, 16 * 2**20
"""A batch has this many samples, or as many as fit into these bytes: on a CPU, larger batches only
cost memory and time.

Processes share out batches, so their size depends on layer and device only.
"""

GPU_BATCH, GPU_BATCH_BYTES = 128, 2**30
"""On a GPU, small batches leave most of it idle: they take up to nine times as long a sample."""

HUGE = 1e10
"""The largest feature that is accepted: solvers multiply four of them, and networks have none above
some 1e5."""


@dataclass(frozen=True)
class Features:
    """The features of a layer over many samples, as a sequence of batches ``[B, C, S]``.

    Batches are in the order of the seeds and are sampled when they are indexed. All have ``size``
    samples, except for the last, which may have fewer.

    Attributes:
        generator: Where features come from.
        layer: Its layer.
        seeds: One for each sample.
        truncation: Psi.
        label: The class or the text of all samples, or one for each; by default each seed draws
            its own.
        batch: The number of samples of a batch; by default what suits the device.
    """

    generator: Generator
    layer: Layer
    seeds: Sequence[int]
    truncation: float = 1.0
    label: Label | Sequence[Label] | None = None
    batch: int | None = None

    @property
    def size(self) -> int:
        """Return the number of samples of a batch."""
        sample = 4 * self.layer.channels * self.layer.positions
        on_gpu = self.generator.device.type == "cuda"
        most, available = (GPU_BATCH, GPU_BATCH_BYTES) if on_gpu else (BATCH, BATCH_BYTES)
        return self.batch or max(1, min(most, available // sample))

    @property
    def _one_each(self) -> bool:
        return isinstance(self.label, Sequence) and not isinstance(self.label, str)

    def __len__(self) -> int:
        return -(-len(self.seeds) // self.size)

    def __getitem__(self, index: int) -> Tensor:
        """Sample a batch, as float32 in whatever type the generator computes.

        Raises:
            PandaError: For NaN, infinity, numbers beyond `HUGE`, and a shape other than the
                layer's.
        """
        if index >= len(self):
            raise IndexError(index)
        rows = slice(index * self.size, (index + 1) * self.size)
        seeds = self.seeds[rows]
        label = self.label[rows] if self._one_each else self.label  # type: ignore[index]
        latents = self.generator.sample(seeds, truncation=self.truncation, label=label)
        return self._checked(self.generator.head(latents, self.layer.name).x, seeds)

    def first(self, count: int) -> Features:
        """Return the features of the first ``count`` samples."""
        label = self.label[:count] if self._one_each else self.label  # type: ignore[index]
        return replace(self, seeds=self.seeds[:count], label=label)

    def __iter__(self) -> Iterator[Tensor]:
        """Sample all batches and show the progress."""
        with bar(total=len(self.seeds), desc=f"sample {self.layer.name}", unit="img") as progress:
            for index in range(len(self)):
                batch = self[index]
                yield batch
                progress.update(len(batch))

    def _checked(self, x: Tensor, seeds: Sequence[int]) -> Tensor:
        """Return features ``[N, C, H, W]`` as ``[N, C, S]`` float32; raise where they are unfit."""
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
        if not _in_range(x):
            broken = next(seed for seed, row in zip(seeds, x, strict=True) if not _in_range(row))
            raise PandaError(
                f"{self.generator.name} gave NaN, infinite or huge (over {HUGE:g}) features at"
                f" {layer.name} for seed {broken}; factors of such features would be wrong"
            )
        return x


def _in_range(x: Tensor) -> bool:
    """Return whether all numbers are finite and at most `HUGE`.

    The norm, which takes a twentieth of the time, almost always decides; it and a minimum are NaN
    where any number is.
    """
    if float(torch.linalg.vector_norm(x)) <= HUGE:
        return True
    return all(abs(float(end)) <= HUGE for end in torch.aminmax(x))
