"""How far images are from one picture: LPIPS and pixels, both at 128 to 256 pixels."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from panda.metrics.lpips import LPIPS

SIZE = 256
SMALLEST = 128
"""Pixels that images are compared at, at most and at least: LPIPS is blind to much in fewer."""


def comparable(images: Tensor) -> Tensor:
    """Images ``[N, 3, R, R]`` as float32 at the size at which they are compared."""
    images = images.float()
    if images.shape[-1] > SIZE:
        return F.interpolate(images, (SIZE, SIZE), mode="area")
    if images.shape[-1] < SMALLEST:
        return F.interpolate(images, (SMALLEST, SMALLEST), mode="bilinear")
    return images


@dataclass(frozen=True, eq=False)
class Error:
    """LPIPS and mean square difference (of images in [-1, 1]) of each image, ``[N]``."""

    lpips: Tensor
    pixels: Tensor

    @property
    def total(self) -> Tensor:
        """What a search lowers, ``[N]``."""
        return self.lpips + self.pixels


class Objective:
    """The errors of images against one picture ``[1, 3, R, R]``, whose features are kept."""

    def __init__(self, lpips: LPIPS, picture: Tensor) -> None:
        self._network = lpips.network
        self._picture = comparable(picture.to(lpips.device))
        self._features = self._network.features(self._picture)

    def __call__(self, images: Tensor) -> Error:
        """Compare images ``[N, 3, R, R]``; gradients reach them."""
        small = comparable(images)
        lpips = self._network.distance(self._network.features(small), self._features)
        return Error(lpips, (small - self._picture).square().mean((1, 2, 3)))
