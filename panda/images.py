"""Between image tensors in [-1, 1] and pictures."""

from __future__ import annotations

import colorsys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from panda.errors import PandaError, describe_error
from panda.files.writing import no_pipe, staging


def to_picture(image: Tensor, size: int | None = None) -> Image.Image:
    """An image ``[3, R, R]`` in [-1, 1] as 8-bit RGB, area-resized where a size is given."""
    if size is not None and size != image.shape[-1]:
        mode = "area" if size < image.shape[-1] else "bicubic"
        image = F.interpolate(image[None], (size, size), mode=mode)[0]
    levels = image.detach().float().cpu().clamp(-1, 1).add(1).mul(127.5).round()
    return Image.fromarray(levels.to(torch.uint8).permute(1, 2, 0).numpy())


def mask_picture(mask: Tensor, size: int, color: Sequence[int] = (255, 255, 255)) -> Image.Image:
    """A map ``[H, W]`` in [0, 1] as shades of one color."""
    levels = resize_map(mask, size).clamp(0, 1)[..., None] * torch.tensor(color, dtype=torch.float)
    return Image.fromarray(levels.round().to(torch.uint8).numpy())


def heat_picture(values: Tensor, size: int) -> Image.Image:
    """A map ``[H, W]`` from its least (dark blue) over middle (grey) to its greatest (yellow)."""
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
    """The picture where the map ``[H, W]`` in [0, 1] is high, dimmed and greyed elsewhere."""
    weight = resize_map(mask, picture.width).clamp(0, 1)[..., None].numpy()
    colors = np.asarray(picture, dtype=np.float32)
    dim = colors.mean(2, keepdims=True) * 0.35
    return Image.fromarray((weight * colors + (1 - weight) * dim).round().astype(np.uint8))


def color_parts(picture: Image.Image, masks: Tensor) -> Image.Image:
    """All parts ``[R_S, H, W]`` over a picture, each in a color of its own, by their masks."""
    count = len(masks)
    hues = [colorsys.hsv_to_rgb(part / count, 0.75, 1) for part in range(count)]
    weights = torch.stack([resize_map(mask, picture.width) for mask in masks]).square()
    total = weights.sum(0).clamp_min(1e-6)
    colors = torch.einsum("khw,kc->hwc", weights, torch.tensor(hues) * 255) / total[..., None]
    share = (0.65 * weights.amax(0).sqrt())[..., None].numpy()
    base = np.asarray(picture, dtype=np.float32)
    return Image.fromarray((base * (1 - share) + colors.numpy() * share).round().astype(np.uint8))


def difference_picture(before: Tensor, after: Tensor, size: int) -> Image.Image:
    """How much each pixel changed: black for nothing, white for a quarter of the range or more."""
    change = (after - before).abs().mean(0, keepdim=True).expand(3, -1, -1)
    return to_picture((change * 4 - 1).clamp(-1, 1), size)


def resize_map(values: Tensor, size: int) -> Tensor:
    """Resize a map ``[H, W]`` to ``[size, size]``, on the CPU."""
    values = values.detach().float().cpu()[None, None]
    return F.interpolate(values, (size, size), mode="bilinear", align_corners=False)[0, 0]


def crop_box(mask: Tensor, room: float = 0.08) -> tuple[float, float, float]:
    """A square (left, top, side, as fractions) around where a map ``[H, W]`` is above one half."""
    rows, columns = (mask > 0.5).nonzero(as_tuple=True)
    height, width = mask.shape
    top, bottom = rows.min().item() / height - room, (rows.max().item() + 1) / height + room
    left, right = columns.min().item() / width - room, (columns.max().item() + 1) / width + room
    side = min(1.0, max(bottom - top, right - left))
    left = min(max(0.0, (left + right - side) / 2), 1 - side)
    top = min(max(0.0, (top + bottom - side) / 2), 1 - side)
    return left, top, side


def crop(image: Tensor, box: tuple[float, float, float]) -> Tensor:
    """Cut a box of `crop_box` out of an image ``[3, R, R]``."""
    resolution = image.shape[-1]
    left, top, side = (round(value * resolution) for value in box)
    return image[:, top : top + side, left : left + side]


def sheet(rows: Iterable[Sequence[Image.Image]], gap: int = 4) -> Image.Image:
    """Rows of equally large pictures as one picture on white."""
    grid = [list(row) for row in rows]
    width, height = grid[0][0].size
    columns = max(map(len, grid))
    page = Image.new(
        "RGB",
        (columns * (width + gap) - gap, len(grid) * (height + gap) - gap),
        "white",
    )
    for y, row in enumerate(grid):
        for x, picture in enumerate(row):
            page.paste(picture, (x * (width + gap), y * (height + gap)))
    return page


def save_picture(picture: Image.Image, path: Path) -> None:
    """Write a PNG under a temporary name and rename it."""
    with staging(path) as work:
        picture.save(work, format="PNG")


def read_picture(path: Path, remedy: str = "delete it") -> Image.Image:
    """Read an 8-bit RGB picture that `save_picture` wrote.

    Raises:
        PandaError: Where the file is damaged or cannot be read; ``remedy`` says what to do.
    """
    try:
        with Image.open(no_pipe(path), formats=("PNG",)) as picture:
            return picture.convert("RGB")
    except PandaError:
        raise
    except Exception as error:  # Pillow's readers raise what they happen to on damaged files
        raise PandaError(
            f"{path} is a damaged picture ({describe_error(error)}); {remedy}"
        ) from error
