"""How much an edit changes inside a mask, and how much outside.

The one place where such sums are made: of absolute changes (`change`), of squared ones
(`panda.metrics.roir`), of perceptual distances (`panda.metrics.lpips.outside`). The
screening of `panda.evaluation.choose` takes `sums` too.
"""

from __future__ import annotations

import torch
from torch import Tensor

from panda.images.channels import as_rgb


def sums(values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return the sums ``[N]`` of values inside and outside a mask.

    Args:
        values: Maps ``[N, H, W]``.
        mask: ``[H, W]``, or ``[N, H, W]`` with one for each map; bool, or weights in [0, 1].
    """
    inside = mask.to(values)
    return (values * inside).sum((-2, -1)), (values * (1 - inside)).sum((-2, -1))


def change(before: Tensor, after: Tensor, where: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean absolute change ``[N]`` inside and outside a mask, on the CPU.

    Args:
        before: Images ``[N, channels, H, W]`` in [-1, 1], or one of them.
        after: Images ``[N, channels, H, W]``.
        where: Weights ``[H, W]``, or ``[N, H, W]`` with a mask for each image; they are clamped to
            [0, 1].

    Returns:
        Two shares of the range of images: 1 is a change from black to white everywhere.
    """
    difference = (as_rgb(after) - as_rgb(before)).abs().mean(1).cpu() / 2
    mask = where.clamp(0, 1)
    totals = zip(sums(difference, mask), sums(torch.ones_like(difference), mask), strict=True)
    inside, outside = (total / size.clamp_min(1e-9) for total, size in totals)
    return inside, outside
