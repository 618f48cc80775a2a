"""How much an edit changes inside a map, and how much outside."""

from __future__ import annotations

from torch import Tensor


def change(before: Tensor, after: Tensor, where: Tensor) -> tuple[Tensor, Tensor]:
    """Mean absolute change ``[N]``, a share of the range, inside and outside a map.

    ``where`` is ``[S, S]``, or ``[N, S, S]`` with a map for each.
    """
    difference = (after - before).abs().mean(1).cpu() / 2
    inside, outside = where.clamp(0, 1), (1 - where).clamp(0, 1)
    return tuple(
        (difference * weight).sum((1, 2)) / weight.sum((-2, -1)).clamp_min(1e-9)
        for weight in (inside, outside)
    )  # type: ignore[return-value]
