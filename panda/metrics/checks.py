"""The check of images that all measures share."""

from __future__ import annotations

from torch import Tensor

from panda.errors import PandaError


def check_images(images: Tensor) -> None:
    """Raise `PandaError` unless ``images`` are ``[N, 3, H, W]`` and finite."""
    if images.ndim != 4 or images.shape[1] != 3:
        raise PandaError(f"images of shape {list(images.shape)}, expected [N, 3, H, W]")
    if not images.isfinite().all():
        raise PandaError("the images hold NaN or infinity, expected numbers in [-1, 1]")
