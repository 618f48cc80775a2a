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
from panda.metrics.checks import as_checked
from panda.photographs.alignment import Crop, FaceChoice, check_align, check_face, to_pictures
from panda.photographs.photograph import Photograph, from_picture
from panda.photographs.place import Place
from panda.shapes import Size, same_shape, size_text

Given = str | Path | Image.Image | np.ndarray | Tensor | Photograph
Photographs = Given | Iterable[Given]
"""What `panda.inversion.invert` takes."""

LARGEST = 10.0
"""Floats beyond it are no images in [-1, 1], even where a generator does not clamp its own."""


@dataclass(frozen=True, eq=False)
class Pictures:
    """Photographs as pictures of a generator.

    Attributes:
        images: ``[N, channels, H, W]`` in [-1, 1], on the generator's device, of its size.
        inside: For each, which share of a pixel is of the photograph and no mirror image of it,
            ``[1, H, W]``; None where all is.
        names: What each is called; none where all are floats.
        places: For each the file and the square in it, as config.json has them (`Place`); None
            where there is no file.
    """

    images: Tensor
    inside: list[Tensor | None]
    names: list[str]
    places: list[dict[str, Any] | None]

    def __len__(self) -> int:
        return len(self.images)


def as_pictures(
    generator: Generator,
    photographs: Photographs,
    align: str = "auto",
    face: FaceChoice = "largest",
) -> Pictures:
    """Return photographs in any form as pictures of a generator.

    Args:
        generator: Whose images the pictures should be like.
        photographs: See `panda.inversion.invert`.
        align: See `panda.photographs.alignment.to_pictures`.
        face: Likewise.

    Raises:
        PandaError: Where one cannot be read or aligned, or is no photograph.
    """
    check_align(align)
    check_face(face)
    single = (str, os.PathLike, Image.Image, np.ndarray, Tensor, Photograph)
    if isinstance(photographs, single):
        photographs = [photographs]
    elif not isinstance(photographs, Iterable):
        raise _refusal(photographs)
    given = [part for each in photographs for part in _read(each, generator)]
    if not given:
        raise PandaError("no photographs were given; at least one is needed")
    loose = [photograph for photograph in given if not photograph.aligned]
    pairs = [(photograph.name, photograph.pixels) for photograph in loose]
    crops = to_pictures(generator, pairs, align=align, face=face) if pairs else []
    rows: list[tuple[Photograph, Tensor, Crop | None]] = []
    for photograph in given:
        if photograph.aligned:
            rows.append((photograph, _resize(photograph.pixels, generator.size), None))
        else:
            own = [crop for crop in crops if loose[crop.source] is photograph]
            rows += [(photograph, crop.image, crop) for crop in own]
    named = any(photograph.name for photograph, _, _ in rows)
    device = generator.device
    return Pictures(
        torch.stack([in_channels(row, generator.channels).to(device) for _, row, _ in rows]),
        [None if not crop or crop.inside is None else crop.inside.to(device) for *_, crop in rows],
        [row[0].name or f"picture {k}" for k, row in enumerate(rows, 1)] if named else [],
        [_place(photograph, crop) for photograph, _, crop in rows],
    )


def _place(photograph: Photograph, crop: Crop | None) -> dict[str, Any] | None:
    if crop is None or photograph.origin is None:
        return None
    return Place.of(photograph.origin, crop.square, photograph.pixels).to_json()


def _read(photograph: Any, generator: Generator) -> Iterator[Photograph]:
    """Yield what a photograph, or an array of several, holds; transparency where it is of use."""
    alpha = generator.channels == 4
    match photograph:
        case Photograph():
            yield photograph
        case str() | os.PathLike():
            yield Photograph.read(os.fspath(photograph), alpha=alpha)
        case Image.Image():
            name = getattr(photograph, "filename", "") or "a photograph"
            yield Photograph(_from_picture(photograph, name, alpha), name)
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


def _from_array(array: np.ndarray | Tensor, generator: Generator) -> Iterator[Photograph]:
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
            yield Photograph(picture, aligned=True)
    elif tensor.dtype != torch.uint8 or not 2 <= tensor.ndim <= 4:
        raise _refusal(array)
    else:
        for picture in tensor if tensor.ndim == 4 else tensor[None]:
            if picture.ndim == 3 and picture.shape[2] not in (3, 4):
                picture = picture.permute(1, 2, 0)
            if picture.ndim == 3 and picture.shape[2] not in (3, 4):
                raise _refusal(array)
            name, alpha = "a photograph", generator.channels == 4
            yield Photograph(_from_picture(Image.fromarray(picture.numpy()), name, alpha), name)


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
