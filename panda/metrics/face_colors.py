"""Measures of color in the classes of a face."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from panda.images.channels import LUMA
from panda.metrics.parsing import mask

LEAST = 0.005
"""The least share of an image in which a color is measured."""


def _weights(images: Tensor, parsed: Tensor, name: str) -> Tensor:
    """Return the share of a class in each pixel, ``[N, 1, h, w]``; of sum 1, or NaN."""
    size = images.shape[-2:]
    inside = F.interpolate(mask(parsed, name).double()[:, None], size, mode="area").cpu()
    total = inside.sum((2, 3), keepdim=True)
    few = total < LEAST * size[0] * size[1]
    return inside / total.masked_fill(few, torch.nan)


def _mean(images: Tensor, weights: Tensor) -> Tensor:
    """Return the mean color ``[N, 3]``."""
    return (images.double().cpu() * weights).sum((2, 3))


def _detail(images: Tensor, weights: Tensor) -> Tensor:
    """Return the root mean square difference from the mean color, ``[N]``."""
    mean = _mean(images, weights)[:, :, None, None]
    return (
        ((images.double().cpu() - mean).square().mean(1, keepdim=True) * weights)
        .sum((1, 2, 3))
        .sqrt()
    )


COLORS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "hair brightness": lambda images, parsed: (
        _mean(images, _weights(images, parsed, "hair")) @ torch.tensor(LUMA).double()
    ),
    "background detail": lambda images, parsed: _detail(
        images, _weights(images, parsed, "background")
    ),
}
"""From images ``[N, 3, S, S]`` in [-1, 1] and class maps ``[N, H, W]`` to numbers ``[N]`` by name.

Float64 on the CPU; NaN where the class is hardly there. The brightness is the mean of the class's
pixels, in units of [-1, 1] images. The detail of the background is the root mean square of what
differs from its mean color.
"""


def colors(images: Tensor, parsed: Tensor) -> dict[str, Tensor]:
    """Return every measure of `COLORS`, of images and their class maps."""
    return {name: measure(images, parsed) for name, measure in COLORS.items()}
