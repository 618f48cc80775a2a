"""The spatial basis of features, found from a few samples in little memory."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from panda.factorization import processes
from panda.factorization.linear_algebra import eigenvectors, range_finder

ROWS = 512
"""A first sketch reduces the channels of all samples to this many random mixtures."""

OVERSAMPLING, POWERS = 32, 2
"""The sketch's range finder uses this many extra vectors, and this many power iterations."""

MIXTURES = 128
"""The last power iteration sees this many signed sums of channels of each sample: at 64 x 64 of a
face generator the energy outside the basis is then 0.175 of all, and 0.174 with all 512 channels.
"""


def find_basis(
    batches: Mapping[int, Tensor],
    count: int,
    like: Tensor,
    components: int,
    scales: Tensor | None = None,
) -> Tensor:
    """Return about the leading right singular vectors of the first samples' channels.

    A randomized range finder with a power iteration over all samples (Halko, Martinsson and Tropp
    2011). Its mixtures are random signs drawn from the number of each sample, so neither batches
    nor processes change it.

    Args:
        batches: This process's share of the samples, ``[B, C, S]``, under the number of their first
            sample; samples from ``count`` on are ignored.
        count: The number of samples of all processes.
        like: Any batch, for shape, type and device.
        components: K, the number of vectors.
        scales: What positions are multiplied by, ``[S]``, before it is said what leads; the span
            of the result is one of the features as they are.

    Returns:
        Orthonormal columns ``[S, K]``. The first one is constant, so that the mean over positions
        lies in the basis; the others follow by strength.
    """
    batches = {start: batch[: max(0, count - start)] for start, batch in batches.items()}
    if scales is not None:
        batches = {start: batch * scales for start, batch in batches.items()}
    basis = _sketch(batches, count, like, components)
    power = processes.Sum(basis)
    for start, batch in batches.items():
        mixed = _mix_channels(batch, start)
        power.add((mixed.mT @ (mixed @ basis)).sum(0))
    vectors = power.result()
    vectors = vectors @ eigenvectors(basis.T.double() @ vectors)[1]
    if scales is not None:
        vectors = vectors / scales[:, None]
    vectors = torch.cat([torch.ones_like(vectors[:, :1]), vectors[:, :-1]], 1)
    return processes.broadcast(torch.linalg.qr(vectors)[0].to(basis))


def _sketch(batches: Mapping[int, Tensor], count: int, like: Tensor, components: int) -> Tensor:
    """Return about the leading right singular vectors ``[S, K]`` of `ROWS` mixtures of channels."""
    channels, positions = like.shape[1:]
    mixtures = min(channels, -(-ROWS // count))
    rows = like.new_zeros(max(components, count * mixtures), positions)
    for start, batch in batches.items():
        for number, sample in enumerate(batch, start):
            place = slice(number * mixtures, (number + 1) * mixtures)
            rows[place] = _random_signs(number, mixtures, channels).to(sample) @ sample
    rows = processes.all_reduce([rows])[0].double()  # so that the order of sums is not seen
    span = range_finder(rows, min(positions, components + OVERSAMPLING), POWERS)
    projected = rows @ span
    vectors = span @ eigenvectors(projected.T @ projected)[1][:, :components]
    return processes.broadcast(vectors.to(like))


def _random_signs(number: int, mixtures: int, channels: int) -> Tensor:
    """Return random signs ``[J, C]``; the identity where J is C."""
    if mixtures == channels:
        return torch.eye(channels)
    source = torch.Generator().manual_seed(number)
    return 2.0 * torch.randint(0, 2, (mixtures, channels), generator=source) - 1


def _mix_channels(batch: Tensor, start: int) -> Tensor:
    """Return random signed sums ``[B, J, S]`` of the channels of samples ``[B, C, S]``.

    ``start`` is the number of the first sample. Up to `MIXTURES` channels stay as they are.
    """
    channels = batch.shape[1]
    if channels <= MIXTURES:
        return batch
    numbers = range(start, start + len(batch))
    signs = torch.cat([_random_signs(number, 1, channels) for number in numbers])
    signs = signs.to(batch)[:, :, None]
    mixed = batch[:, :MIXTURES] * signs[:, :MIXTURES]
    for first in range(MIXTURES, channels, MIXTURES):
        part = batch[:, first : first + MIXTURES]
        mixed[:, : part.shape[1]].addcmul_(part, signs[:, first : first + MIXTURES])
    return mixed
