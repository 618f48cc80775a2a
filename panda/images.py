"""Pictures (PIL) of image tensors in [-1, 1] and of maps, and sheets of pictures."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from panda.errors import PandaError, describe_error
from panda.files.writing import no_pipe, staging

ImageLike = Tensor | NDArray[Any]
"""An image or a batch of images, with floats in [-1, 1]."""


def to_picture(image: ImageLike, size: int | None = None) -> Image.Image:
    """Return an image as an 8-bit RGB picture.

    Args:
        image: ``[3, H, W]`` in [-1, 1]; what lies outside is clipped.
        size: Width and height of the picture, by default those of the image. Smaller pictures
            average areas, larger ones are interpolated (bicubic).

    Raises:
        PandaError: It has another shape (`to_pictures` takes batches), or is not of floats.
    """
    image = _checked(image, 3)
    if size is not None and size != image.shape[-1]:
        mode = "area" if size < image.shape[-1] else "bicubic"
        image = F.interpolate(image[None], (int(size), int(size)), mode=mode)[0]
    levels = image.detach().float().cpu().clamp(-1, 1).add(1).mul(127.5).round()
    return Image.fromarray(levels.to(torch.uint8).permute(1, 2, 0).numpy())


def to_pictures(
    images: ImageLike | Iterable[ImageLike], size: int | None = None
) -> list[Image.Image]:
    """Return a batch of images as a list of pictures.

    Args:
        images: ``[N, 3, H, W]`` in [-1, 1], or a list of images ``[3, H, W]``.
        size: See `to_picture`.

    Raises:
        PandaError: They have another shape (`to_picture` takes one image), or are not of floats.
    """
    images = _as_images(images)
    return [to_picture(image, size) for image in images]


def grid(
    images: ImageLike | Iterable[ImageLike | Image.Image],
    columns: int | None = None,
    size: int | None = None,
) -> Image.Image:
    """Return images side by side, row by row, as one picture.

    Args:
        images: ``[N, 3, H, W]`` in [-1, 1], or a list of images ``[3, H, W]`` and pictures.
        columns: How many stand in a row; by default, about as many as there are rows.
        size: Width and height of each, by default those of the images.

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
    expected = "[3, H, W]" if dims == 3 else "[N, 3, H, W]"
    if _are_latents(images):
        raise PandaError("latents were given, expected images; generator(latents) makes them")
    if not isinstance(images, Tensor | np.ndarray):
        raise PandaError(
            f"a {type(images).__name__} was given, expected images {expected} of torch or NumPy"
        )
    shape = list(images.shape)
    if len(shape) == 2 or (len(shape) == 3 and shape[0] != 3 and shape[2] != 3):
        raise PandaError(
            f"maps of shape {shape} have no colors, expected images {expected}; heat_picture and"
            " mask_picture return the picture of a map [H, W], and factors.show() that of all parts"
        )
    if len(shape) == 4 and dims == 3:
        raise PandaError(
            f"an image of shape {shape} is a batch; to_pictures returns a list of its pictures, and"
            " grid one picture of all"
        )
    if len(shape) == 3 and dims == 4 and shape[0] == 3:
        raise PandaError(
            f"a batch of shape {shape} is one image; to_picture returns its picture, image[None] is"
            " a batch"
        )
    if len(shape) != dims or shape[-3] != 3:
        raise PandaError(f"images of shape {shape}, expected {expected}")
    # A copy: torch takes no array with negative strides, and warns of one that is read-only.
    tensor = images if isinstance(images, Tensor) else torch.from_numpy(np.array(images))
    if not tensor.is_floating_point():
        raise PandaError(f"images of {tensor.dtype}, expected floats in [-1, 1]")
    return tensor


def _resized(picture: Image.Image, size: int | None) -> Image.Image:
    return picture if size is None else picture.resize((int(size), int(size)))


def mask_picture(mask: Tensor, size: int, color: Sequence[int] = (255, 255, 255)) -> Image.Image:
    """Return a map ``[H, W]`` in [0, 1] as shades of one color, by default gray."""
    levels = resize_map(mask, size).clamp(0, 1)[..., None] * torch.tensor(color, dtype=torch.float)
    return Image.fromarray(levels.round().to(torch.uint8).numpy())


def heat_picture(values: Tensor, size: int) -> Image.Image:
    """Return a map ``[H, W]`` in colors: its least value dark blue, its greatest yellow."""
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
    """Dim a picture, and take its colors, where a map ``[H, W]`` in [0, 1] is low."""
    weight = resize_map(mask, picture.width).clamp(0, 1)[..., None].numpy()
    colors = np.asarray(picture, dtype=np.float32)
    dim = colors.mean(2, keepdims=True) * 0.35
    return Image.fromarray((weight * colors + (1 - weight) * dim).round().astype(np.uint8))


def color_parts(picture: Image.Image, masks: Tensor) -> Image.Image:
    """Lay the masks of parts ``[R_S, H, W]`` in [0, 1] over a picture, each in another color."""
    count = len(masks)
    hues = [colorsys.hsv_to_rgb(part / count, 0.75, 1) for part in range(count)]
    weights = torch.stack([resize_map(mask, picture.width) for mask in masks]).square()
    total = weights.sum(0).clamp_min(1e-6)
    colors = torch.einsum("khw,kc->hwc", weights, torch.tensor(hues) * 255) / total[..., None]
    share = (0.65 * weights.amax(0).sqrt())[..., None].numpy()
    base = np.asarray(picture, dtype=np.float32)
    return Image.fromarray((base * (1 - share) + colors.numpy() * share).round().astype(np.uint8))


def difference_picture(before: Tensor, after: Tensor, size: int) -> Image.Image:
    """Return how much each pixel of an image ``[3, H, W]`` changed, as shades of gray.

    Black is no change; white is a mean change of a quarter of the range [-1, 1], or more.
    """
    change = (after - before).abs().mean(0, keepdim=True).expand(3, -1, -1)
    return to_picture((change * 4 - 1).clamp(-1, 1), size)


def resize_map(values: Tensor, size: int) -> Tensor:
    """Resize a map ``[H, W]`` to ``[size, size]``, on the CPU."""
    values = values.detach().float().cpu()[None, None]
    return F.interpolate(values, (size, size), mode="bilinear", align_corners=False)[0, 0]


def crop_box(mask: Tensor, room: float = 0.08) -> tuple[float, float, float]:
    """Return a square around the region where a map ``[H, W]`` is above half of its maximum.

    Args:
        mask: The map, at least 0; where it is 0 everywhere, the square is the whole.
        room: What is left free on each side, as a fraction of the map.

    Returns:
        Left, top and side, as fractions of the map.
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
    """Cut a box of `crop_box` out of an image ``[3, H, W]``, which is square."""
    resolution = image.shape[-1]
    left, top, side = (round(value * resolution) for value in box)
    return image[:, top : top + side, left : left + side]


def sheet(rows: Iterable[Sequence[Image.Image]], gap: int = 4) -> Image.Image:
    """Return rows of pictures of one size as one picture, with white gaps of ``gap`` pixels."""
    table = [list(row) for row in rows]
    width, height = table[0][0].size
    columns = max(map(len, table))
    page = Image.new(
        "RGB",
        (columns * (width + gap) - gap, len(table) * (height + gap) - gap),
        "white",
    )
    for y, row in enumerate(table):
        for x, picture in enumerate(row):
            page.paste(picture, (x * (width + gap), y * (height + gap)))
    return page


def save_picture(picture: Image.Image, path: str | Path) -> None:
    """Write a PNG under a temporary name, and rename it.

    Raises:
        PandaError: The file cannot be written.
    """
    with staging(path) as work:
        picture.save(work, format="PNG")


def read_picture(path: Path, remedy: str = "delete it") -> Image.Image:
    """Read an 8-bit RGB picture that `save_picture` wrote.

    Raises:
        PandaError: Where the file is damaged or cannot be read; ``remedy`` says what to do.
    """
    with _open_picture(path, remedy) as picture:
        return picture.convert("RGB")


def read_gray(path: Path, remedy: str) -> NDArray[np.float32]:
    """Read any PNG as shades of gray ``[H, W]``, 0 for black to 1; transparent is black.

    Raises:
        PandaError: See `read_picture`.
    """
    with _open_picture(path, remedy) as picture:
        if picture.mode.startswith("I"):  # 16 bits, which Pillow's conversions cut off at 255
            return np.asarray(picture, np.float32) / np.float32(65535)
        bands = np.asarray(picture.convert("RGBA").convert("LA"), np.float32) / np.float32(255)
        return bands[..., 0] * bands[..., 1]


@contextmanager
def _open_picture(path: Path, remedy: str) -> Iterator[Image.Image]:
    """Open a PNG; what fails in it or in the block is a `PandaError`."""
    try:
        with Image.open(no_pipe(path), formats=("PNG",)) as picture:
            yield picture
    except PandaError:
        raise
    except Exception as error:  # Pillow's readers raise what they happen to on damaged files
        raise PandaError(
            f"{path} is a damaged picture ({describe_error(error)}); {remedy}"
        ) from error
