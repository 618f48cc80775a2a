"""Edited crops back in their photographs: only where the edit acts, resampled once."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from panda.errors import PandaError
from panda.images.channels import as_rgb
from panda.photographs.squares import Square

Levels = NDArray[np.uint8]
"""A picture ``[H, W, C]``: gray, gray and alpha, RGB, or RGBA."""

LEAST, FULL = 0.02, 0.06
"""Of the largest change of a channel, in images of [-1, 1]: up to the first the photograph stays as
it is, and from the second on it changes as much as the reconstruction does."""

REPLACED = 0.4
"""Of the same change: from here on, nothing of what the reconstruction lacks stays, which belongs
to what was there before; below, in proportion. Of 0.2, 0.4, 0.8 and never it came nearest to three
true edits of a sample (`benchmarks/pasting.py` compares ways to paste)."""

SMOOTH, GROW = 1 / 256, 1 / 64
"""Shares of the crop's longer side: how far changes are averaged, and how far the mask grows."""

FINEST = 3
"""Pixels of the least deviation of a Gaussian, where it is wider at full resolution."""

EDGE = 1 / 32
"""Likewise, over which the crop fades in from its edge."""

ROWS = 256
"""Of the photograph, at once."""

GRAY = 0.299, 0.587, 0.114
"""Weights of red, green and blue in gray, as Pillow has them."""


@dataclass(frozen=True, eq=False)
class Patch:
    """What is put over a photograph: ``photograph * (1 - opacity) + color``.

    Attributes:
        color: ``[3, h, w]`` in units of [-1, 1]; 0 where nothing changes.
        opacity: From 0 to 1, ``[1, h, w]``.
    """

    color: Tensor
    opacity: Tensor


def patch_of(before: Tensor, after: Tensor) -> Patch | None:
    """Return what an edit does to a crop; None where that is nothing.

    It is the difference of the edited reconstruction and the unedited one, so that what the
    reconstruction lacks stays: the grain, and the light. Where the difference is large, something
    else is there now, and it does not.

    Args:
        before: The reconstruction, ``[C, h, w]`` in [-1, 1].
        after: The edited one.
    """
    before, after = (as_rgb(image.detach().float().cpu()).clamp(-1, 1) for image in (before, after))
    change = (after - before).abs().amax(0, keepdim=True)
    side = max(change.shape[1:])
    change = _blur(change, SMOOTH * side)
    mask = ((change - LEAST) / (FULL - LEAST)).clamp(0, 1)
    if not mask.any():
        return None
    reach = max(1, round(GROW * side))
    grown = F.max_pool2d(mask[None], 2 * reach + 1, 1, reach)[0]
    mask = _blur(grown, GROW * side / 2).clamp(0, 1) * _fade(mask)
    opacity = mask * (change / REPLACED).clamp(0, 1)
    return Patch(mask * (after - before) + opacity * before, opacity)


def _blur(images: Tensor, deviation: float) -> Tensor:
    """Return images ``[C, h, w]`` averaged by a Gaussian; at the edge, over what is inside.

    Wide ones are averaged at a lower resolution, which shows all that is left.
    """
    size = images.shape[1:]
    shrink = min(max(1, int(deviation / FINEST)), *size)
    small = F.interpolate(images[None], [side // shrink for side in size], mode="area")[0]
    reach = max(1, math.ceil(3 * deviation / shrink))
    steps = torch.arange(-reach, reach + 1, dtype=images.dtype)
    kernel = (-0.5 * (steps * shrink / max(deviation, 1e-3)) ** 2).exp()
    kernel = kernel / kernel.sum()
    rows = torch.cat([small, torch.ones_like(small[:1])])[:, None]
    rows = F.conv2d(rows, kernel[None, None, None], padding=(0, reach))
    rows = F.conv2d(rows, kernel[None, None, :, None], padding=(reach, 0))[:, 0]
    blurred = rows[:-1] / rows[-1:]
    return F.interpolate(blurred[None], size, mode="bilinear")[0] if shrink > 1 else blurred


def _fade(mask: Tensor) -> Tensor:
    """Return 0 at the edge of a crop ``[1, h, w]``, 1 inside."""
    height, width = mask.shape[1:]
    reach = EDGE * max(height, width)
    down, across = (
        ((torch.arange(length) + 0.5).minimum(length - 0.5 - torch.arange(length)) / reach)
        for length in (height, width)
    )
    return torch.minimum(down[:, None], across[None]).clamp(0, 1)[None]


def paste(levels: Levels, patch: Patch, square: Square) -> Levels:
    """Return a photograph with a patch over it; all other pixels stay to the bit.

    Args:
        levels: The photograph, upright.
        patch: From `patch_of`.
        square: Where the crop was cut from the photograph.

    Raises:
        PandaError: The square lies outside of the photograph.
    """
    pasted = levels.copy()
    height, width = levels.shape[:2]
    corners = square.place(np.array([-1 - 1j, 1 - 1j, -1 + 1j, 1 + 1j]))
    left, right = _range(corners.real, width)
    top, bottom = _range(corners.imag, height)
    if left >= right or top >= bottom:
        raise PandaError(f"the square at {square.center} lies outside of the photograph")
    # Zero is the color that changes nothing, also of a pixel that half of the crop is over.
    layers = torch.cat([patch.color, patch.opacity])[None]
    for first in range(top, bottom, ROWS):
        rows = slice(first, min(first + ROWS, bottom)), slice(left, right)
        seen = _resample(layers, square, rows)
        color, opacity = seen[:3], seen[3:].clamp(0, 1)
        there = pasted[rows]
        pasted[rows] = _over(there, color.numpy(), opacity.numpy())
    return pasted


def _range(values: NDArray[np.float64], length: int) -> tuple[int, int]:
    return max(0, math.floor(values.min())), min(length, math.ceil(values.max()))


def _resample(layers: Tensor, square: Square, rows: tuple[slice, slice]) -> Tensor:
    """Return layers ``[1, K, h, w]`` of a crop as pixels of the photograph see them, ``[K, ...]``.

    Where pixels of the photograph are larger than those of the crop, each is a mean of several.
    """
    height, width = layers.shape[2:]
    longest = max(height, width)
    each = max(1, math.ceil(longest / square.side - 1e-6))
    down, across = (
        (np.arange((part.stop - part.start) * each) + 0.5) / each + part.start for part in rows
    )
    there = (across + 1j * down[:, None] - square.center) / square.right * longest
    grid = np.stack([there.real / width, there.imag / height], -1)
    where = torch.from_numpy(grid)[None].to(layers)
    seen = F.grid_sample(layers, where, mode="bicubic", align_corners=False)
    return F.avg_pool2d(seen, each)[0]


def _over(levels: Levels, color: NDArray[np.float32], opacity: NDArray[np.float32]) -> Levels:
    """Return levels ``[h, w, C]`` under a color, premultiplied, of an opacity."""
    color, opacity = color.transpose(1, 2, 0), opacity.transpose(1, 2, 0)
    shown = levels.copy()
    bands = 3 if levels.shape[2] >= 3 else 1
    if bands == 1:
        color = color @ np.array(GRAY, np.float32)[:, None]
    below = levels[..., :bands].astype(np.float32)
    # Of levels of 0 to 255: the color is in units of [-1, 1], of which 0 is 127.5.
    mixed = below * (1 - opacity) + 127.5 * (color + opacity)
    shown[..., :bands] = mixed.round().clip(0, 255).astype(np.uint8)
    return shown
