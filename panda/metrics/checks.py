"""The check of images that all measures share."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from panda.errors import PandaError
from panda.images.channels import as_rgb
from panda.shapes import CHANNELS


def as_checked(images: Tensor) -> Tensor:
    """Return images as RGB ``[N, 3, H, W]``, as every measure and every network takes them.

    Args:
        images: ``[N, channels, H, W]`` in [-1, 1]: gray, RGB or RGBA (`panda.images.as_rgb`).

    Raises:
        PandaError: Where the shape is another or a value is NaN or infinite.
    """
    if images.ndim != 4 or images.shape[1] not in CHANNELS:
        raise PandaError(
            f"images of shape {list(images.shape)}, expected [N, 3, H, W], or 1 or 4 channels"
        )
    if not images.isfinite().all():
        raise PandaError("the images hold NaN or infinity, expected numbers in [-1, 1]")
    return as_rgb(images)


def as_squares(images: Tensor) -> Tensor:
    """Return images as RGB in the middle of squares of their longer side, on gray.

    So networks that know squares alone see them undistorted.

    Args:
        images: See `as_checked`.

    Returns:
        ``[N, 3, R, R]``, R the larger of H and W.

    Raises:
        PandaError: See `as_checked`.
    """
    images = as_checked(images)
    height, width = images.shape[2:]
    across, down = max(0, height - width), max(0, width - height)
    sides = across // 2, across - across // 2, down // 2, down - down // 2
    return F.pad(images, sides) if any(sides) else images
