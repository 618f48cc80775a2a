"""ROIR, the region-of-interest ratio (paper, section 4): how much an edit changes elsewhere.

The norm of the change outside the region over that inside. An edit pasted through a mask has ratio
zero, a larger region lowers it, and it depends on the strength of an edit: so regions are fixed
before anything is edited, and edits are compared at equal strength (`panda.metrics.matching`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from panda.errors import PandaError
from panda.images.channels import as_rgb
from panda.metrics.changes import sums
from panda.metrics.checks import as_checked
from panda.shapes import within

SIZE = 256
"""Pixels of the longer side of images on which changes are measured, as in the released code."""


@dataclass(frozen=True, eq=False)
class RegionChange:
    """Squared changes of N images.

    Attributes:
        inside: Their sum inside the region, ``[N]`` float64 on the CPU.
        outside: Their sum outside.
        count: Three times the pixels of the region, for three colors.
        around: Three times the pixels outside of it.
    """

    inside: Tensor
    outside: Tensor
    count: Tensor
    around: Tensor

    @property
    def roir(self) -> Tensor:
        """``||outside|| / ||inside||`` ``[N]``; infinite where nothing changes inside."""
        return (self.outside / self.inside).sqrt()

    @property
    def strength(self) -> Tensor:
        """The root mean square change inside the region ``[N]``, in units of [-1, 1] images."""
        return (self.inside / self.count).sqrt()

    @property
    def spilled(self) -> Tensor:
        """The root mean square change outside the region ``[N]``, in the same units."""
        return (self.outside / self.around.clamp_min(1)).sqrt()


def measure(before: Tensor, after: Tensor, region: Tensor) -> RegionChange:
    """Measure the change of images inside and outside a region.

    Args:
        before: Images ``[N, 3, h, w]``, such as `small` makes.
        after: The same images after an edit.
        region: ``[N, h, w]`` bool, true inside.

    Raises:
        PandaError: Where a region is empty, the shapes differ, or an image has NaN.
    """
    before, after = as_rgb(before), as_checked(after)
    if before.shape != after.shape or region.shape != (len(after), *after.shape[2:]):
        raise PandaError(
            f"images {list(before.shape)} and {list(after.shape)} with a region"
            f" {list(region.shape)} do not belong together"
        )
    count = 3 * region.sum((1, 2))
    if bool((count == 0).any()):
        raise PandaError("a region is empty in one of the images, so it has no ROIR")
    square = (after.double() - before.double()).square().sum(1)
    inside, outside = sums(square, region)
    counts = (of.double().cpu() for of in (count, 3 * region[0].numel() - count))
    return RegionChange(inside.cpu(), outside.cpu(), *counts)


def small(images: Tensor, size: int = SIZE) -> Tensor:
    """Return images as changes are measured on them, ``[N, 3, h, w]`` in [-1, 1], clamped.

    They are RGB (`panda.images.as_rgb`), and their longer side has ``size`` pixels. Where they
    shrink, pixels are means. They grow by bicubic weights, as in `panda.metrics.parsing`: of
    repeated pixels, face parsing sees the edges, and takes hair for hats and noise for skin.
    """
    images, longest = as_rgb(images.clamp(-1, 1)), max(images.shape[-2:])
    if longest > size:
        return F.interpolate(images, within(images.shape[2:], size), mode="area")
    if longest < size:
        return F.interpolate(images, within(images.shape[2:], size), mode="bicubic").clamp(-1, 1)
    return images


def composite(before: Tensor, after: Tensor, region: Tensor) -> Tensor:
    """Return the edit inside the region and the unedited image outside: a control of ROIR 0."""
    return torch.where(region[:, None], after, before)
