"""Controls: edits that no method proposes, for the scale of the figures."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

CONTROLS = ("pasted", "brightness")
"""Labels: an edit pasted through the region's mask, a brighter image."""


def brightness(before: Tensor) -> Callable[[Tensor], Tensor]:
    """Return what renders images ``[N, 3, H, W]`` brighter by strengths ``[N]``."""
    return lambda strengths: before + strengths.to(before)[:, None, None, None]
