"""Pictures of maps, and of images with maps over them."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from panda.images.channels import as_rgb
from panda.images.pictures import opaque, to_picture
from panda.shapes import SizeLike, resized


def mask_picture(
    mask: Tensor, size: SizeLike | None = None, color: Sequence[int] = (255, 255, 255)
) -> Image.Image:
    """Return a map ``[H, W]`` in [0, 1] as shades of one color, by default gray.

    Args:
        mask: The map.
        size: See `resize_map`.
        color: Red, green and blue where the map is 1, up to 255.
    """
    levels = resize_map(mask, size).clamp(0, 1)[..., None] * torch.tensor(color, dtype=torch.float)
    return Image.fromarray(levels.round().to(torch.uint8).numpy())


def heat_picture(values: Tensor, size: SizeLike | None = None) -> Image.Image:
    """Return a map ``[H, W]`` in colors: its least value dark blue, its greatest yellow.

    Args:
        values: The map.
        size: See `resize_map`.
    """
    values = resize_map(values, size)
    values = (values - values.min()) / (values.max() - values.min()).clamp_min(1e-12)
    stops = torch.tensor(
        [[12, 20, 69], [58, 73, 120], [124, 123, 120], [190, 174, 97], [255, 233, 69.0]]
    )
    place = values * (len(stops) - 1)
    low = place.long().clamp_max(len(stops) - 2)
    colors = torch.lerp(stops[low], stops[low + 1], (place - low)[..., None])
    return Image.fromarray(colors.round().to(torch.uint8).numpy())


def spotlight(picture: Image.Image, mask: Tensor) -> Image.Image:
    """Dim a picture, and take its colors, where a map ``[H, W]`` in [0, 1] is low: RGB."""
    weight = resize_map(mask, picture.size[::-1]).clamp(0, 1)[..., None].numpy()
    colors = np.asarray(opaque(picture), dtype=np.float32)
    dim = colors.mean(2, keepdims=True) * 0.35
    return Image.fromarray((weight * colors + (1 - weight) * dim).round().astype(np.uint8))


def color_parts(picture: Image.Image, masks: Tensor) -> Image.Image:
    """Lay the masks of parts ``[R_S, H, W]`` in [0, 1] over a picture, each in a color: RGB."""
    count = len(masks)
    hues = [colorsys.hsv_to_rgb(part / count, 0.75, 1) for part in range(count)]
    size = picture.size[::-1]
    weights = torch.stack([resize_map(mask, size) for mask in masks]).square()
    total = weights.sum(0).clamp_min(1e-6)
    colors = torch.einsum("khw,kc->hwc", weights, torch.tensor(hues) * 255) / total[..., None]
    share = (0.65 * weights.amax(0).sqrt())[..., None].numpy()
    base = np.asarray(opaque(picture), dtype=np.float32)
    return Image.fromarray((base * (1 - share) + colors.numpy() * share).round().astype(np.uint8))


def difference_picture(before: Tensor, after: Tensor, size: SizeLike | None = None) -> Image.Image:
    """Return how much each pixel of an image ``[channels, H, W]`` changed, as shades of gray.

    Black is no change; white is a mean change of a quarter of the range [-1, 1], or more. RGBA
    images are compared as they look over gray (`as_rgb`).

    Args:
        before: The image.
        after: The changed image.
        size: See `to_picture`.
    """
    change = (as_rgb(after) - as_rgb(before)).abs().mean(0, keepdim=True)
    return to_picture((change * 4 - 1).clamp(-1, 1), size)


def resize_map(values: Tensor, size: SizeLike | None = None) -> Tensor:
    """Resize a map ``[h, w]`` to ``[H, W]`` (bilinear), on the CPU.

    Args:
        values: The map.
        size: The longer side of the result, or its height and width; by default it stays.
    """
    wanted = resized(values.shape, size)
    values = values.detach().float().cpu()[None, None]
    return F.interpolate(values, wanted, mode="bilinear", align_corners=False)[0, 0]


def crop_box(mask: Tensor, room: float = 0.08) -> tuple[float, float, float]:
    """Return a box around the region where a map ``[H, W]`` is above half of its maximum.

    It has the shape of the map.

    Args:
        mask: The map, at least 0; where it is 0 everywhere, the box is the whole.
        room: What is left free on each side, as a fraction of the map.

    Returns:
        Left, top and side, as fractions of the map's width, of its height, and of both.
    """
    if not bool((mask > 0).any()):
        return 0.0, 0.0, 1.0
    rows, columns = (mask > 0.5 * mask.max()).nonzero(as_tuple=True)
    height, width = mask.shape
    top, bottom = rows.min().item() / height - room, (rows.max().item() + 1) / height + room
    left, right = columns.min().item() / width - room, (columns.max().item() + 1) / width + room
    side = min(1.0, max(bottom - top, right - left))
    left = min(max(0.0, (left + right - side) / 2), 1 - side)
    top = min(max(0.0, (top + bottom - side) / 2), 1 - side)
    return left, top, side


def crop(image: Tensor, box: tuple[float, float, float]) -> Tensor:
    """Cut a box of `crop_box` out of an image ``[channels, H, W]``."""
    height, width = image.shape[1:]
    left, top = round(box[0] * width), round(box[1] * height)
    rows, columns = (max(1, round(box[2] * length)) for length in (height, width))
    return image[:, top : top + rows, left : left + columns]
