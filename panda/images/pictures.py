"""Pictures (PIL) of image tensors in [-1, 1]: gray, RGB or RGBA; and sheets of pictures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from panda.errors import PandaError
from panda.shapes import CHANNELS, SizeLike, resized

ImageLike = Tensor | NDArray[Any]
"""An image or a batch of images, with floats in [-1, 1]."""

LIGHT, DARK, SQUARE = 255, 204, 8
"""The checkerboard under what is transparent: two shades of gray, and the pixels of a square."""


def to_picture(image: ImageLike, size: SizeLike | None = None) -> Image.Image:
    """Return an image as an 8-bit picture, whose mode is L, RGB or RGBA.

    Args:
        image: ``[channels, H, W]`` in [-1, 1], of 1 (gray), 3 or 4 channels (alpha is in [-1, 1]
            too); what lies outside is clipped.
        size: Pixels of the longer side of the picture, or (height, width); by default those of the
            image. Smaller pictures average areas, larger ones are interpolated (bicubic).

    Raises:
        PandaError: It has another shape (`to_pictures` takes batches), or is not of floats.
    """
    image = _checked(image, 3)
    wanted = resized(image.shape[1:], size)
    if wanted != tuple(image.shape[1:]):
        mode = "area" if math.prod(wanted) < image[0].numel() else "bicubic"
        image = F.interpolate(image[None], wanted, mode=mode)[0]
    levels = image.detach().float().cpu().clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8)
    return Image.fromarray((levels[0] if len(levels) == 1 else levels.permute(1, 2, 0)).numpy())


def to_pictures(
    images: ImageLike | Iterable[ImageLike], size: SizeLike | None = None
) -> list[Image.Image]:
    """Return a batch of images as a list of pictures.

    Args:
        images: ``[N, channels, H, W]`` in [-1, 1], or a list of images ``[channels, H, W]``.
        size: See `to_picture`.

    Raises:
        PandaError: They have another shape (`to_picture` takes one image), or are not of floats.
    """
    images = _as_images(images)
    return [to_picture(image, size) for image in images]


def grid(
    images: ImageLike | Iterable[ImageLike | Image.Image],
    columns: int | None = None,
    size: SizeLike | None = None,
) -> Image.Image:
    """Return images side by side, row by row, as one RGB picture; see `sheet`.

    Args:
        images: ``[N, channels, H, W]`` in [-1, 1], or a list of images ``[channels, H, W]`` and
            pictures.
        columns: How many stand in a row; by default, about as many as there are rows.
        size: Pixels of the longer side of each, or (height, width); by default those of the images.

    Raises:
        PandaError: There are no images, they have several sizes and none is given, or
            `to_pictures` would raise it.
    """
    images = _as_images(images)
    pictures = [
        _resized(image, size) if isinstance(image, Image.Image) else to_picture(image, size)
        for image in images
    ]
    if not pictures:
        raise PandaError("a grid of no images, expected one or more")
    sizes = sorted({picture.size for picture in pictures})
    if len(sizes) > 1:
        (w, h), (width, height) = sizes[0], sizes[-1]
        raise PandaError(
            f"a grid of images of {w} x {h} and {width} x {height} pixels; give a size"
        )
    columns = math.ceil(math.sqrt(len(pictures))) if columns is None else int(columns)
    if columns < 1:
        raise PandaError(f"a grid of {columns} columns, expected 1 or more")
    return sheet(pictures[k : k + columns] for k in range(0, len(pictures), columns))


def _as_images(images: Any) -> Iterable[Any]:
    """Return a checked batch, or another iterable as it is; raise `PandaError` for others."""
    whole = isinstance(images, Tensor | np.ndarray | str | bytes) or _are_latents(images)
    return _checked(images, 4) if whole or not isinstance(images, Iterable) else images


def _are_latents(value: object) -> bool:
    """Return whether these are latents, whose class is in a room above this one."""
    return type(value).__name__ == "Latents"


def _checked(images: Any, dims: int) -> Tensor:
    """Return an image (3 dimensions) or a batch (4) as a tensor; raise `PandaError` for others."""
    expected = "[3, H, W]" if dims == 3 else "[N, 3, H, W]"  # the usual ones
    if _are_latents(images):
        raise PandaError("latents were given, expected images; generator(latents) makes them")
    if not isinstance(images, Tensor | np.ndarray):
        raise PandaError(
            f"a {type(images).__name__} was given, expected images {expected} of torch or NumPy"
        )
    shape = list(images.shape)
    if len(shape) == 2 or (len(shape) == 3 and not {shape[0], shape[2]} & CHANNELS.keys()):
        raise PandaError(
            f"maps of shape {shape} have no colors, expected images {expected}; heat_picture and"
            " mask_picture return the picture of a map [H, W], and factors.show() that of all parts"
        )
    if len(shape) == 4 and dims == 3:
        raise PandaError(
            f"an image of shape {shape} is a batch; to_pictures returns a list of its pictures, and"
            " grid one picture of all"
        )
    if len(shape) == 3 and dims == 4 and shape[0] in CHANNELS:
        raise PandaError(
            f"a batch of shape {shape} is one image; to_picture returns its picture, image[None] is"
            " a batch"
        )
    if len(shape) != dims or shape[-3] not in CHANNELS:
        raise PandaError(f"images of shape {shape}, expected {expected}, or 1 or 4 channels")
    # A copy: torch takes no array with negative strides, and warns of one that is read-only.
    tensor = images if isinstance(images, Tensor) else torch.from_numpy(np.array(images))
    if not tensor.is_floating_point():
        raise PandaError(f"images of {tensor.dtype}, expected floats in [-1, 1]")
    return tensor


def _resized(picture: Image.Image, size: SizeLike | None) -> Image.Image:
    return picture if size is None else picture.resize(resized(picture.size[::-1], size)[::-1])


def opaque(picture: Image.Image) -> Image.Image:
    """Return a picture as RGB; what is transparent shows a checkerboard."""
    if picture.mode != "RGBA":
        return picture.convert("RGB")
    rows, columns = (np.arange(length) // SQUARE for length in picture.size[::-1])
    board = np.where((rows[:, None] + columns) % 2, DARK, LIGHT).astype(np.uint8)
    ground = Image.fromarray(board).convert("RGBA")
    return Image.alpha_composite(ground, picture).convert("RGB")


def sheet(rows: Iterable[Sequence[Image.Image]], gap: int = 4) -> Image.Image:
    """Return rows of pictures as one RGB picture, with white gaps of ``gap`` pixels.

    Each has the room of the largest. What is transparent shows a checkerboard.
    """
    table = [list(row) for row in rows]
    sizes = [picture.size for row in table for picture in row]
    width, height = max(w for w, _ in sizes), max(h for _, h in sizes)
    columns = max(map(len, table))
    page = Image.new(
        "RGB",
        (columns * (width + gap) - gap, len(table) * (height + gap) - gap),
        "white",
    )
    for y, row in enumerate(table):
        for x, picture in enumerate(row):
            page.paste(opaque(picture), (x * (width + gap), y * (height + gap)))
    return page
