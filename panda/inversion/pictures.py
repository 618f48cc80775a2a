"""Photographs in any form, as pictures in which a generator's latents are searched."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from panda.errors import PandaError, describe_error
from panda.generators.contract import Generator
from panda.images.channels import in_channels
from panda.inversion.alignment import check_align, to_pictures
from panda.inversion.photograph import from_picture, read_photograph
from panda.metrics.checks import as_checked
from panda.shapes import Size, same_shape, size_text

Photograph = str | Path | Image.Image | np.ndarray | Tensor
Photographs = Photograph | Iterable[Photograph]
"""What `panda.inversion.invert` takes."""

LARGEST = 10.0
"""Floats beyond it are no images in [-1, 1], even where a generator does not clamp its own."""


@dataclass(frozen=True, eq=False)
class _Given:
    """A photograph ``[C, H, W]`` in [-1, 1], or a picture that is aligned already."""

    picture: Tensor
    name: str = ""
    aligned: bool = False


def as_pictures(
    generator: Generator, photographs: Photographs, align: str = "auto"
) -> tuple[Tensor, list[str]]:
    """Return photographs in any form as pictures of a generator.

    Args:
        generator: Whose images the pictures should be like.
        photographs: See `panda.inversion.invert`.
        align: See `panda.inversion.alignment.to_pictures`.

    Returns:
        The pictures ``[N, channels, H, W]`` in [-1, 1] on the generator's device, of its size and
        channels, and what each is called; no names where all are floats.

    Raises:
        PandaError: Where one cannot be read or aligned, or is no photograph.
    """
    check_align(align)
    if isinstance(photographs, str | os.PathLike | Image.Image | np.ndarray | Tensor):
        photographs = [photographs]
    elif not isinstance(photographs, Iterable):
        raise _refusal(photographs)
    given = [part for each in photographs for part in _read(each, generator)]
    if not given:
        raise PandaError("no photographs were given; at least one is needed")
    named = any(part.name for part in given)
    names = [part.name or f"picture {k}" for k, part in enumerate(given, 1)] if named else []
    loose = [(part.name, part.picture) for part in given if not part.aligned]
    placed = iter(to_pictures(generator, loose, align=align) if loose else ())
    rows = [
        _resize(part.picture, generator.size) if part.aligned else next(placed) for part in given
    ]
    pictures = [in_channels(row, generator.channels).to(generator.device) for row in rows]
    return torch.stack(pictures), names


def _read(photograph: Any, generator: Generator) -> Iterator[_Given]:
    """Yield what a photograph, or an array of several, holds; transparency where it is of use."""
    alpha = generator.channels == 4
    match photograph:
        case str() | os.PathLike():
            yield _Given(read_photograph(os.fspath(photograph), alpha=alpha), os.fspath(photograph))
        case Image.Image():
            name = getattr(photograph, "filename", "") or "a photograph"
            yield _Given(_from_picture(photograph, name, alpha), name)
        case np.ndarray() | Tensor():
            yield from _from_array(photograph, generator)
        case _:
            raise _refusal(photograph)


def _from_picture(picture: Image.Image, name: str, alpha: bool) -> Tensor:
    try:
        return from_picture(picture.copy(), name, alpha=alpha)
    except PandaError:
        raise
    except Exception as error:  # its file is read now, and may be closed or damaged
        raise PandaError(f"{name} cannot be read ({describe_error(error)})") from error


def _from_array(array: np.ndarray | Tensor, generator: Generator) -> Iterator[_Given]:
    """Yield photographs of bytes, or pictures of floats."""
    try:
        # A copy of NumPy's: it may lie backwards in memory, or not be writable.
        tensor = torch.from_numpy(array.copy()) if isinstance(array, np.ndarray) else array
        tensor = tensor.detach().cpu()
    except (TypeError, ValueError) as error:
        raise _refusal(array) from error
    if tensor.is_floating_point():
        rows = tensor[None] if tensor.ndim == 3 else tensor
        for picture in _check_floats(rows, generator).float():
            yield _Given(picture, aligned=True)
    elif tensor.dtype != torch.uint8 or not 2 <= tensor.ndim <= 4:
        raise _refusal(array)
    else:
        for picture in tensor if tensor.ndim == 4 else tensor[None]:
            if picture.ndim == 3 and picture.shape[2] not in (3, 4):
                picture = picture.permute(1, 2, 0)
            if picture.ndim == 3 and picture.shape[2] not in (3, 4):
                raise _refusal(array)
            name, alpha = "a photograph", generator.channels == 4
            yield _Given(_from_picture(Image.fromarray(picture.numpy()), name, alpha), name)


def _check_floats(pictures: Tensor, generator: Generator) -> Tensor:
    """Return pictures ``[N, C, H, W]``; raise `PandaError` where they are of another kind."""
    as_checked(pictures)
    if not len(pictures) or not same_shape(pictures.shape[2:], generator.size):
        raise PandaError(
            f"pictures of shape {list(pictures.shape)}, expected the proportions of the"
            f" generator's images, {size_text(generator.size)}"
        )
    if (largest := float(pictures.abs().max())) > LARGEST:
        raise PandaError(
            f"pictures with values of {largest:.4g}, expected floats in [-1, 1], or bytes"
        )
    return pictures


def _refusal(given: object) -> PandaError:
    kind = type(given).__name__
    if isinstance(given, np.ndarray | Tensor):
        kind = f"an array {list(given.shape)} of {given.dtype}"
    return PandaError(
        f"{kind} is no photograph; expected a file, a PIL picture, bytes [H, W, 3], or floats"
        " [N, 3, H, W] in [-1, 1]"
    )


def _resize(picture: Tensor, size: Size) -> Tensor:
    """Return a picture ``[C, H, W]`` at another size of nearly the same proportions."""
    if tuple(picture.shape[1:]) == size:
        return picture
    mode = "area" if size[0] < picture.shape[1] else "bicubic"
    return F.interpolate(picture[None], size, mode=mode)[0].clamp(-1, 1)
