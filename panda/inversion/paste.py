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
from panda.inversion.squares import Square

Levels = NDArray[np.uint8]
"""A picture ``[H, W, C]``: gray, gray and alpha, RGB, or RGBA."""

LEAST, FULL = 0.02, 0.06
"""Of the largest change of a channel, in images of [-1, 1]: up to the first the photograph stays as
it is, and from the second on the edited crop is all that is seen."""

SMOOTH, GROW = 1 / 256, 1 / 64
"""Shares of the crop's longer side: how far changes are averaged, and how far the mask grows."""

TONE = 1 / 32
"""Likewise, over which the difference of photograph and reconstruction is averaged: what is
smoother than that stays, such as the light."""

EDGE = 1 / 32
"""Likewise, over which the crop fades in from its edge."""

ROWS = 256
"""Of the photograph, at once."""

GRAY = 0.299, 0.587, 0.114
"""Weights of red, green and blue in gray, as Pillow has them."""


@dataclass(frozen=True, eq=False)
class Patch:
    """What is put over a photograph.

    Attributes:
        color: ``[3, h, w]`` in [-1, 1].
        mask: Where it is seen, ``[1, h, w]`` from 0 to 1.
    """

    color: Tensor
    mask: Tensor


def patch_of(before: Tensor, after: Tensor, picture: Tensor) -> Patch | None:
    """Return what an edit does to a crop; None where that is nothing.

    Args:
        before: The reconstruction, ``[C, h, w]`` in [-1, 1].
        after: The edited one.
        picture: The crop itself, of which the light is kept.
    """
    before, after, picture = (
        as_rgb(image.detach().float().cpu()).clamp(-1, 1) for image in (before, after, picture)
    )
    change = (after - before).abs().amax(0, keepdim=True)
    side = max(change.shape[1:])
    mask = ((_blur(change, SMOOTH * side) - LEAST) / (FULL - LEAST)).clamp(0, 1)
    if not mask.any():
        return None
    reach = max(1, round(GROW * side))
    grown = F.max_pool2d(mask[None], 2 * reach + 1, 1, reach)[0]
    mask = _blur(grown, GROW * side / 2).clamp(0, 1) * _fade(mask)
    return Patch(after + _blur(picture - before, TONE * side), mask)


def _blur(images: Tensor, deviation: float) -> Tensor:
    """Return images ``[C, h, w]`` averaged by a Gaussian; at the edge, over what is inside."""
    reach = max(1, math.ceil(3 * deviation))
    steps = torch.arange(-reach, reach + 1, dtype=images.dtype)
    kernel = (-0.5 * (steps / max(deviation, 1e-3)) ** 2).exp()
    kernel = kernel / kernel.sum()
    rows = torch.cat([images, torch.ones_like(images[:1])])[:, None]
    rows = F.conv2d(rows, kernel[None, None, None], padding=(0, reach))
    rows = F.conv2d(rows, kernel[None, None, :, None], padding=(reach, 0))[:, 0]
    return rows[:-1] / rows[-1:]


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
    layers = torch.cat([patch.color * patch.mask, patch.mask])[None]
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
    mixed = below * (1 - opacity) + 127.5 * (color + opacity)
    changed = opacity > 1 / 512
    shown[..., :bands] = np.where(changed, mixed.round().clip(0, 255), below).astype(np.uint8)
    return shown
