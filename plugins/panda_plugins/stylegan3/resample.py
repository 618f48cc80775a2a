"""Upsample, leaky ReLU, downsample: StyleGAN3's activation as small matrix products.

A filter along an axis is a banded matrix. A square tile of the output depends on a small square x
of the input and is ``D act(U x U^T) D^T``, with dense matrices of some dozens of rows. Intermediate
results stay in a CPU's cache, where matrix products run far faster than depthwise convolutions of a
zero-stuffed map. A radial filter is a sum of a few separable filters, whose rows are interleaved.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional as F

TILE = 30
"""Maximum number of outputs of a tile along an axis."""

CACHE = 1 << 18
"""Elements of upsampled tiles that a CPU processes at a time."""


@dataclass(frozen=True)
class Span:
    """A stretch of an axis, with I inputs, T upsampled positions and O outputs.

    Attributes:
        inputs: The inputs that it reads.
        up: The upsampling filter, ``[T, I]``.
        rows: The downsampling filters, where the axis is vertical: ``[O * rank, T]``.
        columns: The downsampling filters, where the axis is horizontal: ``[rank * T, O]``.
    """

    inputs: slice
    up: Tensor
    rows: Tensor
    columns: Tensor


class Resampler:
    """Upsample square maps, apply leaky ReLU with gain and clamp, and downsample them.

    Args:
        up_filter: ``[taps]``.
        down_filter: ``[taps]``, or ``[taps, taps]`` where it is not separable.
        up: Upsampling factor.
        down: Downsampling factor.
        padding: Zeros before the zero-stuffed input; if negative, positions that are cropped.
        size_in: Height and width of the input.
        size: Height and width of the output.
        clamp: Bound of the absolute value of activations; None for no bound.
    """

    def __init__(
        self,
        up_filter: Tensor,
        down_filter: Tensor,
        *,
        up: int,
        down: int,
        padding: int,
        size_in: int,
        size: int,
        clamp: float | None,
    ) -> None:
        self.clamp = clamp
        # Zero-stuffing needs gain `up`; leaky ReLU passes its gain sqrt 2 on, half to each axis.
        up_taps = up_filter.flip(0) * (up * math.sqrt(math.sqrt(2)))
        row_taps, column_taps = separate(down_filter.flip(tuple(range(down_filter.dim()))))
        count = math.ceil(size / TILE)
        edges = [size * k // count for k in range(count + 1)]
        self.spans = []
        for start, stop in pairwise(edges):
            first, last = start * down, (stop - 1) * down + len(down_filter) - 1
            lowest = max(0, -(-(first - padding) // up))
            highest = min(size_in - 1, (last + len(up_filter) - 1 - padding) // up)
            between = torch.arange(first, last + 1)
            inputs = torch.arange(lowest, highest + 1)
            outputs = torch.arange(start, stop)
            reach = between[None] - outputs[:, None] * down
            rows = torch.stack([banded(taps, reach) for taps in row_taps], 1)
            columns = torch.stack([banded(taps, reach.T) for taps in column_taps])
            self.spans.append(
                Span(
                    slice(lowest, highest + 1),
                    banded(up_taps, inputs[None] * up + padding - between[:, None]),
                    rows.flatten(0, 1),
                    columns.flatten(0, 1),
                )
            )
        self.chunk = max(1, CACHE // max(len(span.up) for span in self.spans) ** 2)

    def __call__(self, x: Tensor) -> Tensor:
        """Resample ``[N, C, size_in, size_in]`` to ``[N, C, size, size]``."""
        planes = x.flatten(0, 1)
        chunk = self.chunk if x.device.type == "cpu" else len(planes)
        out = torch.cat([self._chunk(part) for part in torch.split(planes, chunk)])
        return out.view(*x.shape[:2], *out.shape[1:])

    def _chunk(self, planes: Tensor) -> Tensor:
        return torch.cat(
            [
                torch.cat([self._tile(planes, down, across) for across in self.spans], 2)
                for down in self.spans
            ],
            1,
        )

    def _tile(self, planes: Tensor, vertical: Span, horizontal: Span) -> Tensor:
        x = planes[:, vertical.inputs, horizontal.inputs]
        x = vertical.up @ (x @ horizontal.up.T)
        x = F.leaky_relu_(x, 0.2)
        if self.clamp is not None:
            x = x.clamp(-self.clamp, self.clamp)
        x = (vertical.rows @ x).reshape(len(x), -1, len(horizontal.columns))
        return x @ horizontal.columns


def banded(taps: Tensor, reach: Tensor) -> Tensor:
    """Return the matrix ``taps[reach]``, 0 where ``reach`` is outside the filter."""
    reach = reach.to(taps.device)
    inside = (reach >= 0) & (reach < len(taps))
    return torch.where(inside, taps[reach.clamp(0, len(taps) - 1)], 0)


def separate(kernel: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """Split a kernel into filters of rows and of columns whose outer products sum to it.

    Args:
        kernel: ``[taps]``, which gives a single pair, or ``[taps, taps]``.

    Returns:
        The filters of rows and those of columns, each ``[taps]``.
    """
    if kernel.dim() == 1:
        return [kernel], [kernel]
    u, s, v = torch.linalg.svd(kernel.double().cpu())
    rank = int((s > 1e-6 * s[0]).sum())
    root = s[:rank].sqrt()
    rows, columns = (u[:, :rank] * root).T, root[:, None] * v[:rank]
    return list(rows.to(kernel)), list(columns.to(kernel))
