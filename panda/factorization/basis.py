"""The spatial basis of features: found from a few samples, in little memory."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from panda.factorization import processes

ROWS = 512
"""The samples are first seen through so many random mixtures of their channels."""

SPARE, POWERS = 32, 2
"""Their leading vectors are found with so many more, by so many power iterations."""

MIXTURES = 128
"""Signed sums of channels that a sample is seen through at last: at 64 x 64 of a face generator
the energy outside the basis is then 0.175 of all, and 0.174 with each of 512 channels."""


def find_basis(batches: Mapping[int, Tensor], count: int, like: Tensor, components: int) -> Tensor:
    """About the leading right singular vectors ``[S, K]`` of the first ``count`` samples' rows.

    The strongest come first, but before them a constant one: the mean over positions then lies in
    the basis.

    ``batches`` are this process's share of them, ``[B, C, S]``, under the number of their first
    sample; later samples are left out. ``like`` is any batch. A randomized range finder with one
    power iteration (Halko, Martinsson and Tropp 2011): its mixtures are random signs drawn from the
    number of each sample, so neither batches nor processes change it. The power iteration sees
    sums of a few channels with random signs, `MIXTURES` a sample, not each channel of its own.
    """
    mine = {start: batch[: max(0, count - start)] for start, batch in batches.items()}
    basis = _sketch(mine, count, like, components)
    power = processes.Sum(basis)
    for start, batch in mine.items():
        mixed = _folded(batch, start)
        power.add((mixed.mT @ (mixed @ basis)).sum(0))
    found = power.result()
    found = found @ torch.linalg.eigh(basis.T.double() @ found)[1].flip(1)
    found = torch.cat([torch.ones_like(found[:, :1]), found[:, :-1]], 1)
    return processes.from_first(torch.linalg.qr(found)[0].to(basis))


def _sketch(batches: Mapping[int, Tensor], count: int, like: Tensor, components: int) -> Tensor:
    """About the leading right singular vectors ``[S, K]`` of `ROWS` mixtures of channels."""
    channels, positions = like.shape[1:]
    mixtures = min(channels, -(-ROWS // count))
    rows = like.new_zeros(max(components, count * mixtures), positions)
    for start, batch in batches.items():
        for number, sample in enumerate(batch, start):
            place = slice(number * mixtures, (number + 1) * mixtures)
            rows[place] = _mixing(number, mixtures, channels).to(sample) @ sample
    rows = processes.add([rows])[0].double()  # so that how it was added up is not seen
    draw = torch.Generator().manual_seed(0)
    tests = torch.randn(len(rows), min(positions, components + SPARE), generator=draw)
    span = rows.T @ tests.to(rows)
    for _ in range(POWERS):
        span = rows.T @ (rows @ torch.linalg.qr(span)[0])
    span = torch.linalg.qr(span)[0]
    seen = rows @ span
    vectors = span @ torch.linalg.eigh(seen.T @ seen)[1][:, -components:].flip(1)
    return processes.from_first(vectors.to(like))


def _mixing(number: int, mixtures: int, channels: int) -> Tensor:
    """Random signs ``[J, C]``; where there are as many mixtures as channels, the channels."""
    if mixtures == channels:
        return torch.eye(channels)
    source = torch.Generator().manual_seed(number)
    return 2.0 * torch.randint(0, 2, (mixtures, channels), generator=source) - 1


def _folded(batch: Tensor, start: int) -> Tensor:
    """Random signed sums ``[B, J, S]`` of the channels of samples ``[B, C, S]``.

    ``start`` is the number of the first one. Where there are few channels, they stay as they are.
    """
    channels = batch.shape[1]
    if channels <= MIXTURES:
        return batch
    numbers = range(start, start + len(batch))
    signs = torch.cat([_mixing(number, 1, channels) for number in numbers]).to(batch)[:, :, None]
    folded = batch[:, :MIXTURES] * signs[:, :MIXTURES]
    for first in range(MIXTURES, channels, MIXTURES):
        part = batch[:, first : first + MIXTURES]
        folded[:, : part.shape[1]].addcmul_(part, signs[:, first : first + MIXTURES])
    return folded
