"""What images can be: gray, RGB or RGBA, by their number of channels; and each as RGB."""

from __future__ import annotations

import torch
from torch import Tensor

from panda.errors import PandaError
from panda.shapes import CHANNELS

GRAY = 0.0
"""What measures lay RGBA images over: on this gray, both white and black are seen."""

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in brightness (ITU-R BT.601)."""


def as_rgb(images: Tensor, background: float = GRAY) -> Tensor:
    """Return images as RGB, for what takes nothing else; gradients reach the images.

    Args:
        images: ``[..., channels, H, W]`` in [-1, 1]: gray, which is repeated, RGB, or RGBA, which
            is laid over a background, so that colors that cannot be seen do not count.
        background: The shade of that background in [-1, 1], by default middle gray.

    Returns:
        ``[..., 3, H, W]``; of RGB the images themselves.

    Raises:
        PandaError: For other channels.
    """
    channels = images.shape[-3]
    if channels == 1:
        return images.expand(*images.shape[:-3], 3, -1, -1)
    if channels == 4:
        colors, alpha = images[..., :3, :, :], images[..., 3:, :, :]
        return torch.lerp(torch.full_like(colors, background), colors, _share(alpha))
    if channels != 3:
        raise PandaError(f"images of {channels} channels, expected 1 (gray), 3 (RGB) or 4 (RGBA)")
    return images


def in_channels(images: Tensor, channels: int) -> Tensor:
    """Return gray, RGB or RGBA images as images of so many channels.

    Colors become gray by their brightness. What had no alpha is opaque, and what may have none any
    more lies over `GRAY`.

    Args:
        images: ``[..., C, H, W]`` in [-1, 1].
        channels: 1, 3 or 4.

    Returns:
        ``[..., channels, H, W]``.
    """
    assert channels in CHANNELS
    if images.shape[-3] == channels:
        return images
    colors = as_rgb(images)
    if channels == 1:
        weights = colors.new_tensor(LUMA)[:, None, None]
        return (colors * weights).sum(-3, keepdim=True)
    if channels == 4:
        return torch.cat([colors, torch.ones_like(colors[..., :1, :, :])], -3)
    return colors


def _share(alpha: Tensor) -> Tensor:
    """Return alpha in [-1, 1] (clamped) as a share."""
    return alpha.clamp(-1, 1).add(1).div(2)
