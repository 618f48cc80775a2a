"""The distance of images from a picture: LPIPS and pixels, both at 128 to 256 pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from panda.images.channels import as_rgb
from panda.metrics.lpips import LPIPS, NARROWEST
from panda.shapes import within

SIZE = 256
SMALLEST = 128
"""Most and fewest pixels of the longer side at which images are compared: LPIPS is blind to much in
fewer."""


def comparable(images: Tensor) -> Tensor:
    """Return images ``[N, channels, H, W]`` as float32 at the size at which they are compared.

    Their longer side has `SMALLEST` to `SIZE` pixels, or more where the shorter one had too few.
    """
    images, shape = images.float(), images.shape[2:]
    long, short = max(shape), min(shape)
    wanted = max(min(max(long, SMALLEST), SIZE), math.ceil(NARROWEST * long / short))
    if long > wanted:
        return F.interpolate(images, within(shape, wanted), mode="area")
    if long < wanted:
        return F.interpolate(images, within(shape, wanted), mode="bilinear")
    return images


def visible(images: Tensor) -> Tensor:
    """Return what is seen of images: of RGBA the colors over gray, and alpha, ``[N, 4, H, W]``."""
    return torch.cat([as_rgb(images), images[:, 3:]], 1) if images.shape[1] == 4 else images


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
        picture: ``[1, channels, H, W]`` in [-1, 1].
        inside: Which share of each pixel counts, ``[1, H, W]``; what is beyond the edge of a
            photograph does not, and errors are means over the rest. None where all counts.
    """

    def __init__(self, lpips: LPIPS, picture: Tensor, inside: Tensor | None = None) -> None:
        self._network = lpips.network
        self._small = small = comparable(picture.to(lpips.device))
        self._picture = visible(small)
        self._inside = None if inside is None else comparable(inside[None].to(small))
        self._share = 1.0 if self._inside is None else float(self._inside.mean())
        self._features = self._network.features(as_rgb(small))

    def __call__(self, images: Tensor) -> Error:
        """Compare images ``[N, channels, H, W]``; gradients reach them."""
        small = comparable(images)
        if self._inside is not None:  # elsewhere it is taken to be right
            small = torch.lerp(self._small, small, self._inside)
        lpips = self._network.distance(self._network.features(as_rgb(small)), self._features)
        pixels = (visible(small) - self._picture).square().mean((1, 2, 3))
        return Error(lpips / self._share, pixels / self._share)
