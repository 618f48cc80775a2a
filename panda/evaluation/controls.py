"""Controls: edits that no method proposes, for the scale of the figures."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from panda.directions.changes import Change, WChange, ZChange
from panda.generators.contract import Generator
from panda.generators.latent_spaces import WSpace, ZSpace

CONTROLS = ("pasted", "brightness", "random")
"""Labels: an edit pasted through the region's mask, a brighter image, a random direction."""


def brightness(before: Tensor) -> Callable[[Tensor], Tensor]:
    """Return what renders images ``[N, 3, H, W]`` brighter by strengths ``[N]``."""
    return lambda strengths: before + strengths.to(before)[:, None, None, None]


def random_change(generator: Generator, edit: str) -> Change | None:
    """Return a random direction of the generator's latents, the same for each name of an edit.

    None where the latents cannot be moved.
    """
    draw = torch.Generator().manual_seed(sum(map(ord, edit)))
    if isinstance(generator, WSpace):
        direction = torch.randn(len(generator.w_mean), generator=draw)
        return WChange(direction / direction.norm())
    if isinstance(generator, ZSpace):
        direction = torch.randn(generator.z_weight().shape[1], generator=draw)
        return ZChange(direction / direction.norm())
    return None
