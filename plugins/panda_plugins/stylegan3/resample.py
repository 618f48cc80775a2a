"""Upsample, leaky ReLU, downsample: StyleGAN3's activation as small matrix products.

A filter along one axis is a banded matrix. A square tile of the output needs a small square x of
the input and is ``D act(U x U^T) D^T``, with dense matrices of some dozens of rows. What lies
between stays in a CPU's cache, and matrix products run far faster there than depthwise convolutions
of a zero-stuffed map. A radial filter is a sum of a few separable ones with interleaved rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional as F

TILE = 30
"""Most outputs of a tile along one axis."""

CACHE = 1 << 18
"""Numbers of upsampled tiles that a CPU works on at a time."""


@dataclass(frozen=True)
class Span:
    """A stretch of one axis: the inputs it reads and the matrices that act on them.

    ``up`` is ``[T, I]``, ``rows`` ``[O * rank, T]`` and ``columns`` ``[rank * T, O]`` for I inputs,
    T upsampled positions and O outputs.
    """

    inputs: slice
    up: Tensor
    rows: Tensor
    columns: Tensor


class Resampler:
    """The activation between two sampling rates, for square maps of ``size_in`` to ``size``.

    ``up_filter`` is ``[taps]``, ``down_filter`` ``[taps]`` or ``[taps, taps]``; ``padding`` zeros
    stand before the zero-stuffed input (below 0: so many positions are cut off).
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
        # Zero-stuffing wants gain `up`; the activation's own sqrt 2 passes through it to both axes.
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
        """``[N, C, size_in, size_in]`` to ``[N, C, size, size]``."""
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
    """The matrix whose element is ``taps[reach]``, 0 where the filter does not reach."""
    reach = reach.to(taps.device)
    inside = (reach >= 0) & (reach < len(taps))
    return torch.where(inside, taps[reach.clamp(0, len(taps) - 1)], 0)


def separate(kernel: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """Filters of rows and columns whose products sum to the kernel (one pair if it is 1-D)."""
    if kernel.dim() == 1:
        return [kernel], [kernel]
    u, s, v = torch.linalg.svd(kernel.double().cpu())
    rank = int((s > 1e-6 * s[0]).sum())
    root = s[:rank].sqrt()
    rows, columns = (u[:, :rank] * root).T, root[:, None] * v[:rank]
    return list(rows.to(kernel)), list(columns.to(kernel))
