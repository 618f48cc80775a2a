"""The distance of images from a picture: LPIPS and pixels, both at 128 to 256 pixels."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from panda.metrics.lpips import LPIPS

SIZE = 256
SMALLEST = 128
"""Most and fewest pixels at which images are compared: LPIPS is blind to much in fewer."""


def comparable(images: Tensor) -> Tensor:
    """Return images ``[N, 3, R, R]`` as float32 at the size at which they are compared."""
    images = images.float()
    if images.shape[-1] > SIZE:
        return F.interpolate(images, (SIZE, SIZE), mode="area")
    if images.shape[-1] < SMALLEST:
        return F.interpolate(images, (SMALLEST, SMALLEST), mode="bilinear")
    return images


@dataclass(frozen=True, eq=False)
class Error:
    """How far N images are from a picture.

    Attributes:
        lpips: LPIPS of each, ``[N]``.
        pixels: The mean square difference of each, ``[N]``, of images in [-1, 1].
    """

    lpips: Tensor
    pixels: Tensor

    @property
    def total(self) -> Tensor:
        """The sum of both, ``[N]``, which a search lowers."""
        return self.lpips + self.pixels


class Objective:
    """Compares images with a picture, whose features are computed once.

    Args:
        lpips: The distance.
        picture: ``[1, 3, R, R]`` in [-1, 1].
    """

    def __init__(self, lpips: LPIPS, picture: Tensor) -> None:
        self._network = lpips.network
        self._picture = comparable(picture.to(lpips.device))
        self._features = self._network.features(self._picture)

    def __call__(self, images: Tensor) -> Error:
        """Compare images ``[N, 3, R, R]``; gradients reach them."""
        small = comparable(images)
        lpips = self._network.distance(self._network.features(small), self._features)
        return Error(lpips, (small - self._picture).square().mean((1, 2, 3)))
