"""The features of many samples, in batches: the one place that runs ``G[:l]`` in bulk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from panda.errors import PandaError
from panda.generator import Generator, Layer
from panda.progress import bar

BATCH_BYTES = 64 * 2**20
"""A batch is as large as fits here: beyond the caches of a CPU, larger ones only cost memory."""


@dataclass(frozen=True)
class Features:
    """Where features come from: which generator, layer and seeds, sampled how."""

    generator: Generator
    layer: Layer
    seeds: Sequence[int]
    truncation: float = 1.0
    label: int | None = None
    batch: int | None = None

    def __len__(self) -> int:
        return len(self.seeds)

    def __iter__(self) -> Iterator[Tensor]:
        """Yield ``[B, C, S]`` float tensors, in the order of the seeds.

        Raises `PandaError` where features are not of the declared shape or hold NaN or infinity.
        """
        layer, seeds = self.layer, self.seeds
        step = self.batch or max(1, BATCH_BYTES // (4 * layer.channels * layer.positions))
        with bar(total=len(seeds), desc=f"sample {layer.name}", unit="img") as progress:
            for start in range(0, len(seeds), step):
                chunk = seeds[start : start + step]
                latents = self.generator.sample(chunk, truncation=self.truncation, label=self.label)
                yield self._checked(self.generator.head(latents, layer.name).x, chunk)
                progress.update(len(chunk))

    def _checked(self, x: Tensor, seeds: Sequence[int]) -> Tensor:
        layer = self.layer
        expected = (len(seeds), layer.channels, layer.height, layer.width)
        if tuple(x.shape) != expected:
            raise PandaError(
                f"{self.generator.name} gave features {tuple(x.shape)} at {layer.name},"
                f" its layer says {expected}"
            )
        if not bool(torch.isfinite(x.sum())):
            broken = [
                seed
                for seed, row in zip(seeds, x, strict=True)
                if not bool(torch.isfinite(row).all())
            ]
            raise PandaError(
                f"{self.generator.name} gave NaN or infinite features at {layer.name} for seed"
                f" {broken[0] if broken else seeds[0]}; factors of such features would be wrong"
            )
        return x.flatten(2)
