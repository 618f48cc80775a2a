"""Which process samples which batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from panda.factorization import processes
from panda.progress import bar

BLOCK = 32
"""Processes take turns with this many samples, or with one batch where it has more."""


class Batches(Protocol):
    """A sequence of features in batches ``[B, C, S]``, of one size except for the last."""

    def __len__(self) -> int:
        """Return the number of batches."""

    def __getitem__(self, index: int, /) -> Tensor:
        """Return a batch, the same one each time."""


@dataclass(frozen=True, eq=False)
class Share:
    """The batches that this process samples, in blocks.

    Attributes:
        batches: The batches of all processes.
        size: The number of samples of a batch.
        blocks: The indices of the batches of each block of this process.
        count: The number of samples of this process.
        stored: Batches, by index, that are already sampled and still needed.
    """

    batches: Batches
    size: int
    blocks: Sequence[range]
    count: int
    stored: dict[int, Tensor]

    @staticmethod
    def of(batches: Batches, count: int, batch: Tensor) -> Share:
        """Return this process's share of ``count`` samples: every n-th block of n processes.

        ``batch`` is the batch whose index is this process's rank, or the last one.
        """
        index, last = processes.rank(), len(batches) - 1
        size = len(batch) if index < last or last == 0 else (count - len(batch)) // last
        step = max(1, BLOCK // size)
        starts = range(processes.rank() * step, len(batches), processes.count() * step)
        blocks = [range(start, min(start + step, len(batches))) for start in starts]
        samples = sum(min(block.stop * size, count) - block.start * size for block in blocks)
        stored = {index: batch} if blocks and index in blocks[0] else {}
        return Share(batches, size, blocks, samples, stored)

    def first(self, count: int) -> dict[int, Tensor]:
        """Sample and store the batches of the first ``count`` samples of all processes.

        Returns:
            This process's batches among them, by the number of their first sample.
        """
        indices = [i for block in self.blocks for i in block if i * self.size < count]
        for index in bar(indices, desc="sample for the basis", unit="batch"):
            if index not in self.stored:
                self.stored[index] = self.batches[index]
        return {index * self.size: self.stored[index] for index in indices}

    def take(self, index: int) -> Tensor:
        """Return a batch, and store it no longer."""
        return self.stored.pop(index) if index in self.stored else self.batches[index]
