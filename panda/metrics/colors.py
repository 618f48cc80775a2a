"""Colors as people see them: CIELAB, in which equal distances look about equally far apart."""

from __future__ import annotations

import torch
from torch import Tensor

TO_XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
"""From linear sRGB (IEC 61966-2-1)."""

WHITE = (0.95047, 1.0, 1.08883)
"""D65, two degrees."""


def lab(images: Tensor) -> Tensor:
    """Return the lightness in [0, 100], and a and b in about [-110, 110], of images.

    Args:
        images: sRGB ``[N, 3, H, W]`` in [-1, 1] (clamped).

    Returns:
        ``[N, 3, H, W]``.
    """
    signal = images.clamp(-1, 1).float().add(1).div(2)
    linear = torch.where(
        signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055).clamp_min(1e-9) ** 2.4
    )
    xyz = torch.einsum("kc,nchw->nkhw", linear.new_tensor(TO_XYZ), linear)
    ratio = xyz / linear.new_tensor(WHITE)[:, None, None]
    cut = 6 / 29
    f = torch.where(ratio > cut**3, ratio.clamp_min(1e-9) ** (1 / 3), ratio / (3 * cut**2) + 4 / 29)
    x, y, z = f.unbind(1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], 1)


def mean_color(images: Tensor, inside: Tensor) -> Tensor:
    """Return the mean color of a region in CIELAB, ``[N, 3]``; NaN where the region is empty.

    Distances of such colors are those of 1976 (delta E): 2 can just be seen, and 100 is from black
    to white.

    Args:
        images: ``[N, 3, H, W]`` in [-1, 1].
        inside: The region, ``[N, H, W]`` bool.
    """
    return (lab(images) * inside[:, None]).sum((2, 3)) / inside.sum((1, 2))[:, None]
