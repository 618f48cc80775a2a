"""Streaming statistics of features, in memory that grows neither with the layer nor with N.

The loss of PandA depends on each sample ``Z [C, S]`` only through ``Z P``, and parts are smooth: a
few spatial components contain everything that P can see. So every sample is compressed to
``Z Q [C, K]`` in an orthonormal spatial basis ``Q [S, K]`` found from the first samples, and the
energy outside of it is counted exactly. The number of processes changes no result.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from panda.errors import PandaError
from panda.factorization import processes
from panda.factorization.artifacts import Artifacts, find_artifacts
from panda.factorization.basis import find_basis
from panda.factorization.journal import Journal
from panda.factorization.samples import Samples
from panda.factorization.shares import Batches, Share
from panda.generators.contract import Layer
from panda.progress import bar

COMPONENTS = 8, 64, 128
"""K for each part, the least K and the largest K; where K is three quarters of all positions, it is
all of them. With a quarter less, the loss on a face generator is the same within 2e-5, relative,
but the background is found less reliably."""

DISK = 2**32
"""Bytes of compressed samples; K shrinks where N samples need more, to no less than 4 for each
part."""

BASIS_SAMPLES = 128
BASIS_BYTES = 2**30
"""The basis is found from this many first samples, or as many as fit into these bytes."""


@dataclass(frozen=True, eq=False)
class Statistics:
    """What a fit needs of N samples.

    Attributes:
        basis: Q ``[S, K]``, with orthonormal columns.
        samples: This process's share of the ``Z Q``.
        count: N, the number of samples of all processes.
        energy: The sum of all squared features, exact.
        discarded: The fraction of the energy that lies outside the basis.
        seen_mean: The mean of ``Z Q``, ``[C, K]``.
        artifacts: What parts are looked for without, where the layer has any.
    """

    basis: Tensor
    samples: Samples
    count: int
    energy: float
    discarded: float
    seen_mean: Tensor
    artifacts: Artifacts | None = None

    @property
    def mean(self) -> Tensor:
        """Return the mean feature ``[C]``: exact, since constant maps lie in the basis."""
        return self.seen_mean @ self.basis.mean(0)

    def sum(
        self,
        terms: Callable[..., tuple[Tensor, ...]],
        *arguments: Tensor,
        first: int | None = None,
        odd: bool = False,
    ) -> tuple[Tensor, ...]:
        """Return sums over all samples of all processes, float64 on the CPU.

        Args:
            terms: A function that takes a block of samples ``[B, C, K]``, which may be empty, and
                returns tensors that are sums over the block.
            *arguments: Tensors that ``terms`` takes after the block.
            first: Sum over this many first samples only.
            odd: Sum over every second sample only.
        """
        inputs = [argument.to(self.basis) for argument in arguments]
        totals = [processes.Sum(term) for term in terms(self.samples.empty(), *inputs)]
        for start, block in self._numbered(first or self.count):
            block = _odd(start, block) if odd else block
            for total, term in zip(totals, terms(block, *inputs), strict=True):
                total.add(term)
        return tuple(total.result().cpu() for total in totals)

    def first(self, count: int) -> Tensor:
        """Return the first ``count`` samples, or all of fewer, ``[N, C, K]``, on every process."""
        samples = torch.zeros(min(count, self.count), *self.samples.row).to(self.basis)
        for start, block in self._numbered(len(samples)):
            samples[start : start + len(block)] = block
        return processes.all_reduce([samples])[0]

    def _numbered(self, count: int) -> Iterator[tuple[int, Tensor]]:
        """Yield this process's blocks of the first samples, with the number of their first one."""
        sizes = self.samples.lengths if processes.rank() == 0 else [0]
        size = int(processes.all_reduce([torch.tensor(sizes[:1])])[0])
        for number, block in enumerate(self.samples):
            start = (number * processes.count() + processes.rank()) * size
            if start >= count:
                return
            yield start, block[: count - start]

    def project(self, axes: Tensor, components: Tensor) -> Statistics:
        """Project the samples to fewer dimensions.

        Args:
            axes: Channel axes ``[C, R]``.
            components: Spatial components in the basis, ``[K, L]``.
        """
        axes, components = axes.to(self.basis), components.to(self.basis)
        samples = self.samples.map(lambda block: axes.T @ block @ components)
        return replace(self, basis=self.basis @ components, samples=samples)

    def odd_half(self) -> Statistics:
        """Return every second sample alone; energy and mean stay those of all."""
        half = Samples(sum(self.samples.lengths), self.samples.row, self.basis.device)
        for start, block in self._numbered(self.count):
            half.append(_odd(start, block))
        return replace(self, samples=half, count=self.count // 2)


def _odd(start: int, block: Tensor) -> Tensor:
    """Return the rows of a block with odd numbers, if the first one is number ``start``."""
    return block[1 - start % 2 :: 2]


def spatial_scatter(statistics: Statistics, odd: bool = False) -> Tensor:
    """Return the sum of Z^T Z in the basis, ``[K, K]`` float64 on the CPU; see `Statistics.sum`."""

    def terms(z: Tensor) -> tuple[Tensor]:
        rows = z.flatten(0, 1)
        return (rows.T @ rows,)

    return statistics.sum(terms, odd=odd)[0]


def gather(
    batches: Batches,
    count: int,
    parts: int,
    journal: Journal | None = None,
    layer: Layer | None = None,
) -> Statistics:
    """Compute the statistics of a stream of features.

    Args:
        batches: Batches ``[B, C, S]``, of which each process reads its share.
        count: The number of samples of all batches.
        parts: R_S, the number of parts to be fitted.
        journal: Where intermediate results are written, and from which an earlier call that was
            interrupted is resumed.
        layer: The layer, if its artifacts are to be found.

    Raises:
        PandaError: Where all features are zero.
    """
    first = batches[min(processes.rank(), len(batches) - 1)]
    device, (channels, positions) = first.device, first.shape[1:]
    share = Share.of(batches, count, first)
    components = _components(parts, positions, limit=DISK // (4 * count * channels))
    probe = float(_energy(first))
    sums = _resumed(journal, (positions, components), probe)
    if sums is None:
        few = min(count, BASIS_SAMPLES, max(1, BASIS_BYTES // first[0].nbytes))
        begin = share.first(few)
        artifacts = layer and find_artifacts(begin, few, first, layer)
        # A basis of all positions is complete in any scale.
        scales = artifacts.scales if artifacts and components < positions else None
        sums = {
            "basis": find_basis(begin, few, first, components, scales),
            "scales": artifacts.scales if artifacts else first.new_ones(positions),
            "seen": torch.zeros(channels, components, dtype=torch.float64),
            "totals": torch.tensor([0, 0, probe], dtype=torch.float64),
            "lengths": torch.zeros(0, dtype=torch.int64),
        }
    basis, scales, seen, totals = (
        sums[name].to(device) for name in ("basis", "scales", "seen", "totals")
    )
    lengths = sums["lengths"].tolist()
    path = journal.samples if journal else None
    samples = Samples(share.count, (channels, components), device, path, lengths)

    counted = seen, totals, len(lengths)

    def write() -> None:
        if journal:
            samples.sync()
            seen, totals, blocks = counted
            lengths = torch.tensor(samples.lengths[:blocks], dtype=torch.int64)
            kept = {"basis": basis, "scales": scales, "seen": seen, "totals": totals}
            journal.write({**kept, "lengths": lengths})

    if not lengths:
        write()
    with bar(total=share.count, initial=sum(lengths), desc="sample", unit="img") as progress:
        try:
            for number, block in enumerate(share.blocks[len(lengths) :], len(lengths) + 1):
                pieces, totals = [], totals.clone()
                for batch in map(share.take, block):
                    pieces.append(batch @ basis)
                    totals[0] += _energy(batch)
                    totals[1] += _energy(pieces[-1])
                    progress.update(len(batch))
                piece = pieces[0] if len(pieces) == 1 else torch.cat(pieces)
                samples.append(piece)
                seen = seen + piece.sum(0)
                # In one step: whenever an interruption comes, the sums are those of these blocks.
                counted = seen, totals, number
                if journal and journal.due:
                    write()
        except BaseException:
            with suppress(PandaError, OSError):  # what ended the sampling says more
                write()
            raise
    write()
    seen, totals = processes.all_reduce([seen, totals])
    energy, inside, _ = totals.tolist()
    if energy == 0:
        raise PandaError("every feature is zero, so there is nothing to factorize")
    # A basis of all positions leaves nothing out; of others, only rounding makes it less than zero.
    discarded = 0.0 if components == positions else max(0.0, 1 - inside / energy)
    plain = layer is None or bool((scales == 1).all())
    artifacts = None if layer is None or plain else Artifacts(layer.height, layer.width, scales)
    return Statistics(basis, samples, count, energy, discarded, (seen / count).float(), artifacts)


def _components(parts: int, positions: int, limit: int) -> int:
    """Return K, the size of the spatial basis: see `COMPONENTS` and `DISK`."""
    each, least, most = COMPONENTS
    wanted = max(least, min(each * parts, most))
    if 4 * wanted >= 3 * positions:
        wanted = positions
    return min(positions, max(4 * parts, min(wanted, limit)))


def _resumed(
    journal: Journal | None, shape: tuple[int, int], probe: float
) -> dict[str, Tensor] | None:
    """Return the sums of an earlier call, if all processes have them for the same features.

    ``probe`` is the energy of a process's first batch: other weights, or another way to run the
    network, would give another energy.
    """
    sums = journal.read() if journal else None
    same = (
        journal is not None
        and sums is not None
        and set(sums) == {"basis", "scales", "seen", "totals", "lengths"}  # in this version
        and tuple(sums["basis"].shape) == shape
        and math.isclose(float(sums["totals"][2]), probe, rel_tol=1e-4)
        and journal.has_samples(4 * int(sums["lengths"].sum()) * len(sums["seen"]) * shape[1])
    )
    if processes.all_agree(same):
        if journal and sums:
            journal.say(f"has {int(sums['lengths'].sum())} samples of this process; resuming")
        return sums
    if journal:
        journal.start_over()
    return None


def _energy(features: Tensor) -> Tensor:
    """Return the sum of all squares ``[B, C, S]``: float64 sums over rows or columns, as float32.

    The norms run along numbers that are neighbors in memory. Float32 results add up to the same
    float64 in any order, and stay on the features' device, so a GPU need not synchronize.
    """
    dim = 2 if features.stride(2) == 1 else 1
    energy: Tensor = torch.linalg.vector_norm(features, dim=dim).double().square().sum().float()
    return energy
