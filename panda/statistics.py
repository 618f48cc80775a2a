"""Streaming statistics of features, in memory that does not grow with the layer.

The loss of PandA needs each sample ``Z [C, S]`` only through ``Z P``, and parts are smooth: a few
spatial components hold all that P can see. So every sample is kept as ``Z Q [C, K]`` in an
orthonormal spatial basis ``Q [S, K]`` found from the first samples, and the rest of its energy is
counted exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain

import torch
from torch import Tensor

from panda.errors import PandaError

COMPONENTS = 128
"""K. The loss of a face generator is then within 2e-5 (16 x 16) or 8e-5 (32 x 32) of the exact."""

MEMORY = 2**30
"""Bytes for compressed samples; K shrinks where N samples need more, down to 4 for each part."""

BASIS_SAMPLES = 128
"""The basis is found from so many first samples, whatever the size of a batch is."""

BASIS_ROWS = 8192
"""Their rows are mixed to no fewer than these: an eighth of the work, for 0.2 % of the energy."""

GRAM_POSITIONS = 1024
"""Up to so many positions the S x S Gram matrix is the fastest road to the basis."""

BLOCK = 2**25
"""Bytes of compressed samples that sums take at once."""


@dataclass(frozen=True)
class Statistics:
    """What a fit keeps of N samples.

    basis: Q ``[S, K]``, orthonormal columns. samples: ``Z Q``, ``[N, C, K]`` float32.
    energy: the sum of all squared features, exact. mean: the mean feature map ``[C, S]``.
    """

    basis: Tensor
    samples: Tensor
    energy: float
    mean: Tensor

    @property
    def discarded(self) -> float:
        """The fraction of the energy outside the basis."""
        kept = sum(float(part.double().square().sum()) for part in torch.split(self.samples, 64))
        return max(0.0, 1 - kept / self.energy)

    def sum(
        self, terms: Callable[..., tuple[Tensor, ...]], *arguments: Tensor
    ) -> tuple[Tensor, ...]:
        """Sum ``terms(Z, *arguments)`` over all samples, float64 on the CPU.

        ``terms`` takes a block of samples ``[B, C, K]`` and gives tensors that are sums over it.
        """
        inputs = [argument.to(self.samples) for argument in arguments]
        size = max(1, BLOCK // self.samples[0].nbytes)
        blocks = (terms(block, *inputs) for block in torch.split(self.samples, size))
        totals = [term.double() for term in next(blocks)]
        for block in blocks:
            for total, term in zip(totals, block, strict=True):
                total += term
        return tuple(total.cpu() for total in totals)

    def project(self, axes: Tensor, components: Tensor) -> Statistics:
        """The same in fewer dimensions: channel axes ``[C, R]``, spatial axes ``[K, L]``."""
        axes, components = axes.to(self.samples), components.to(self.samples)
        blocks = torch.split(self.samples, 64)
        samples = torch.cat([axes.T @ (block @ components) for block in blocks])
        return replace(self, basis=self.basis @ components, samples=samples)


def gather(features: Iterable[Tensor], count: int, parts: int) -> Statistics:
    """Stream ``[B, C, S]`` batches once and return their statistics.

    ``count`` is the number of samples to come and ``parts`` the number of parts to be fitted.
    Raises `PandaError` where all features are zero.
    """
    stream = iter(features)
    first = _first(stream, min(count, BASIS_SAMPLES))
    channels, positions = first[0].shape[1:]
    room = MEMORY // (4 * count * channels)
    components = min(positions, max(4 * parts, min(COMPONENTS, room)))
    basis = _spatial_basis(torch.cat(first)[:BASIS_SAMPLES], components)
    try:
        samples = torch.empty(count, channels, components, device=basis.device)
    except RuntimeError as error:
        gigabytes = 4e-9 * count * channels * components
        raise PandaError(
            f"{count} samples with {parts} parts need {gigabytes:.0f} GB of memory here; take fewer"
        ) from error
    mean = torch.zeros(channels, positions, dtype=torch.float64, device=basis.device)
    energy, row = 0.0, 0
    for batch in chain(first, stream):
        samples[row : row + len(batch)] = batch @ basis
        mean += batch.sum(0)
        energy += float(torch.linalg.vector_norm(batch, dim=2).double().square().sum())
        row += len(batch)
    if energy == 0:
        raise PandaError("every feature is zero, so there is nothing to factorize")
    return Statistics(basis, samples, energy, mean.div_(count).float())


def _first(stream: Iterator[Tensor], count: int) -> list[Tensor]:
    """Take batches until there are ``count`` samples."""
    taken: list[Tensor] = []
    while sum(map(len, taken)) < count:
        taken.append(next(stream))
    return taken


def _spatial_basis(samples: Tensor, components: int) -> Tensor:
    """The leading right singular vectors ``[S, K]`` of the samples' rows; all of S where K = S.

    Rows mixed with random signs have the scatter of all rows on average (Halko, Martinsson and
    Tropp 2011), so a few thousand mixtures will do; they are the same every time.
    """
    positions = samples.shape[2]
    if components == positions:
        return torch.eye(positions, dtype=samples.dtype, device=samples.device)
    rows = samples.flatten(0, 1)
    if (size := len(rows) // BASIS_ROWS) > 1:
        groups = rows[: len(rows) // size * size].view(-1, size, positions)
        source = torch.Generator().manual_seed(0)
        signs = 2 * torch.randint(0, 2, (len(groups), 1, size), generator=source) - 1
        rows = (signs.to(rows) @ groups).flatten(0, 1)
    if positions <= GRAM_POSITIONS:
        axes: Tensor = torch.linalg.eigh(rows.T @ rows)[1]
        return axes[:, -components:].flip(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # the library's random range finder, made the same every time
        return torch.svd_lowrank(rows, q=components, niter=2)[2]
