"""Streaming statistics of features, in memory that grows neither with the layer nor with N.

The loss of PandA needs each sample ``Z [C, S]`` only through ``Z P``, and parts are smooth: a few
spatial components hold all that P can see. So every sample is kept as ``Z Q [C, K]`` in an
orthonormal spatial basis ``Q [S, K]`` found from the first samples, and the rest of its energy is
counted exactly. Processes take turns with the batches, so how many there are changes no result.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from panda.errors import PandaError
from panda.factorization import processes
from panda.factorization.basis import find_basis
from panda.factorization.journal import Journal
from panda.factorization.samples import Samples
from panda.progress import bar

COMPONENTS = 8, 64, 128
"""K is so many for each part, but at least and at most so many; where that is three quarters of all
positions, it is all of them. The loss of the factors of a face generator is the same within 2e-5,
relative, with a quarter less, but background is then found less well."""

DISK = 2**32
"""Bytes for compressed samples; K shrinks where N samples need more, down to 4 for each part."""

BASIS_SAMPLES = 128
BASIS_BYTES = 2**30
"""The basis is found from so many first samples, or as many as fit here; they are held for it."""

BLOCK = 32
"""Processes take turns with so many samples, or with a batch where one has more."""


class Batches(Protocol):
    """Features in batches ``[B, C, S]``, all of one size but the last; a list is one."""

    def __len__(self) -> int:
        """The number of batches."""

    def __getitem__(self, index: int, /) -> Tensor:
        """One of them; asked for more than once, it is the same."""


@dataclass(frozen=True)
class Statistics:
    """What a fit keeps of N samples.

    basis: Q ``[S, K]``, orthonormal columns. samples: ``Z Q``, this process's share of them.
    count: N. energy: the sum of all squared features, exact. discarded: the fraction of it outside
    the basis. seen_mean: the mean of ``Z Q``, ``[C, K]``.
    """

    basis: Tensor
    samples: Samples
    count: int
    energy: float
    discarded: float
    seen_mean: Tensor

    @property
    def mean(self) -> Tensor:
        """The mean feature ``[C]``: exact, since constant maps lie in the basis."""
        return self.seen_mean @ self.basis.mean(0)

    def sum(
        self,
        terms: Callable[..., tuple[Tensor, ...]],
        *arguments: Tensor,
        first: int | None = None,
    ) -> tuple[Tensor, ...]:
        """Sum ``terms(Z, *arguments)`` over all samples of all processes, float64 on the CPU.

        ``terms`` takes a block of samples ``[B, C, K]``, of which there may be none, and gives
        tensors that are sums over it. With ``first``, only so many samples count.
        """
        inputs = [argument.to(self.basis) for argument in arguments]
        totals = [processes.Sum(term) for term in terms(self.samples.empty(), *inputs)]
        for _, block in self._numbered(first or self.count):
            for total, term in zip(totals, terms(block, *inputs), strict=True):
                total.add(term)
        return tuple(total.result().cpu() for total in totals)

    def first(self, count: int) -> Tensor:
        """The first ``count`` samples, or all of fewer, ``[N, C, K]``: the same on every process.

        Whose they are depends on the batches and on the number of processes.
        """
        held = torch.zeros(min(count, self.count), *self.samples.row).to(self.basis)
        for start, block in self._numbered(len(held)):
            held[start : start + len(block)] = block
        return processes.all_reduce([held])[0]

    def _numbered(self, count: int) -> Iterator[tuple[int, Tensor]]:
        """This process's blocks of the first ``count`` samples, with the number of the first."""
        sizes = self.samples.lengths if processes.rank() == 0 else [0]
        size = int(processes.all_reduce([torch.tensor(sizes[:1])])[0])
        for number, block in enumerate(self.samples):
            start = (number * processes.count() + processes.rank()) * size
            if start >= count:
                return
            yield start, block[: count - start]

    def project(self, axes: Tensor, components: Tensor) -> Statistics:
        """The same in fewer dimensions: channel axes ``[C, R]``, spatial ones ``[K, L]``."""
        axes, components = axes.to(self.basis), components.to(self.basis)
        samples = self.samples.map(lambda block: axes.T @ block @ components)
        return replace(self, basis=self.basis @ components, samples=samples)


@dataclass(frozen=True)
class _Share:
    """The blocks of batches that one process takes; the first ones are held for the basis."""

    batches: Batches
    size: int
    blocks: Sequence[range]
    count: int
    held: dict[int, Tensor]

    @staticmethod
    def of(batches: Batches, count: int, batch: Tensor) -> _Share:
        """Every n-th block is this process's; ``batch`` is the one at its rank, or the last."""
        index, last = processes.rank(), len(batches) - 1
        size = len(batch) if index < last or last == 0 else (count - len(batch)) // last
        step = max(1, BLOCK // size)
        firsts = range(processes.rank() * step, len(batches), processes.count() * step)
        blocks = [range(first, min(first + step, len(batches))) for first in firsts]
        mine = sum(min(block.stop * size, count) - block.start * size for block in blocks)
        held = {index: batch} if blocks and index in blocks[0] else {}
        return _Share(batches, size, blocks, mine, held)

    def begin(self, count: int) -> dict[int, Tensor]:
        """Hold the batches of the first ``count`` samples; each by the number of its first one."""
        indices = [i for block in self.blocks for i in block if i * self.size < count]
        for index in bar(indices, desc="sample for the basis", unit="batch"):
            if index not in self.held:
                self.held[index] = self.batches[index]
        return {index * self.size: self.held[index] for index in indices}

    def take(self, index: int) -> Tensor:
        """A batch: what is held, for the last time, or made now."""
        return self.held.pop(index) if index in self.held else self.batches[index]


def gather(batches: Batches, count: int, parts: int, journal: Journal | None = None) -> Statistics:
    """Stream batches ``[B, C, S]`` of ``count`` samples in all and return their statistics.

    ``parts`` is the number of parts to be fitted. With a ``journal``, an earlier call that was
    stopped is gone on with. Raises `PandaError` where all features are zero.
    """
    first = batches[min(processes.rank(), len(batches) - 1)]
    device, (channels, positions) = first.device, first.shape[1:]
    room = DISK // (4 * count * channels)
    each, least, most = COMPONENTS
    wanted = max(least, min(each * parts, most))
    if 4 * wanted >= 3 * positions:
        wanted = positions
    components = min(positions, max(4 * parts, min(wanted, room)))
    share = _Share.of(batches, count, first)
    probe = float(_energy(first))
    sums = _earlier(journal, (positions, components), probe)
    if sums is None:
        heads = min(count, BASIS_SAMPLES, max(1, BASIS_BYTES // first[0].nbytes))
        sums = {
            "basis": find_basis(share.begin(heads), heads, first, components),
            "seen": torch.zeros(channels, components, dtype=torch.float64),
            "totals": torch.tensor([0, 0, probe], dtype=torch.float64),
            "lengths": torch.zeros(0, dtype=torch.int64),
        }
    basis, seen, totals = (sums[name].to(device) for name in ("basis", "seen", "totals"))
    lengths = sums["lengths"].tolist()
    path = journal.samples if journal else None
    samples = Samples(share.count, (channels, components), device, path, lengths)

    def write() -> None:
        if journal:
            samples.sync()
            lengths = torch.tensor(samples.lengths, dtype=torch.int64)
            journal.write({"basis": basis, "seen": seen, "totals": totals, "lengths": lengths})

    if not lengths:
        write()
    with bar(total=share.count, initial=sum(lengths), desc="sample", unit="img") as progress:
        for block in share.blocks[len(lengths) :]:
            pieces = []
            for batch in map(share.take, block):
                pieces.append(batch @ basis)
                totals[0] += _energy(batch)
                totals[1] += _energy(pieces[-1])
                progress.update(len(batch))
            piece = pieces[0] if len(pieces) == 1 else torch.cat(pieces)
            seen += piece.sum(0)
            samples.append(piece)
            if journal and journal.due:
                write()
    write()
    seen, totals = processes.all_reduce([seen, totals])
    energy, kept, _ = totals.tolist()
    if energy == 0:
        raise PandaError("every feature is zero, so there is nothing to factorize")
    discarded = max(0.0, 1 - kept / energy)
    return Statistics(basis, samples, count, energy, discarded, (seen / count).float())


def _earlier(
    journal: Journal | None, shape: tuple[int, int], probe: float
) -> dict[str, Tensor] | None:
    """What an earlier call has left, where all processes have it and sample the same features.

    ``probe`` is the energy of a process's first batch: other weights, or another way to run the
    network, would give another one.
    """
    sums = journal.read() if journal else None
    same = (
        journal is not None
        and sums is not None
        and set(sums) == {"basis", "seen", "totals", "lengths"}  # another version's differ
        and tuple(sums["basis"].shape) == shape
        and math.isclose(float(sums["totals"][2]), probe, rel_tol=1e-4)
        and journal.holds(4 * int(sums["lengths"].sum()) * len(sums["seen"]) * shape[1])
    )
    if processes.all_agree(same):
        if journal and sums:
            journal.say(f"has {int(sums['lengths'].sum())} samples of this process; going on")
        return sums
    if journal:
        journal.start_over()
    return None


def _energy(features: Tensor) -> Tensor:
    """The sum of all squares ``[B, C, S]``, of float64 sums over rows or columns, as float32.

    It goes along the numbers that are neighbors in memory. Being float32, such sums add up to the
    same float64 in any order; being where the features are, a GPU need not finish for them.
    """
    dim = 2 if features.stride(2) == 1 else 1
    energy: Tensor = torch.linalg.vector_norm(features, dim=dim).double().square().sum().float()
    return energy
