"""Where an edit acts, if not in parts: everywhere, in the object, around it, in hair, in a mask."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from panda.editing.detectors import is_of_face
from panda.editing.remove import REACH, object_map
from panda.errors import PandaError
from panda.factorization.factors import Factors
from panda.files.budget import load_json
from panda.files.nearest import nearest_file
from panda.files.tilde import expand
from panda.generators.contract import Layer, on_canvas
from panda.images import read_gray
from panda.shapes import Size, same_shape, size_text

ALL, OBJECT, BACKGROUND = "all", "object", "bg"
"""Everywhere; the object and what is around it, as the background's detector sees each sample."""


def is_place(text: str) -> bool:
    """Return whether text names a place: one of the three above, one of faces, or masks."""
    return text in (ALL, OBJECT, BACKGROUND) or is_mask(text) or is_of_face(text)


def is_mask(text: str) -> bool:
    """Return whether text names a mask ``FILE.png``, or a folder with one for each sample."""
    return text.lower().endswith(".png") or is_folder(text)


def is_folder(text: str) -> bool:
    """Return whether text names a folder of masks, such as ``hair/``."""
    return text.endswith("/")


def place_map(factors: Factors, place: str, features: Tensor) -> Tensor:
    """Return how much of each position is of a place, ``[N or 1, H, W]`` in [0, 1].

    Args:
        factors: Whose layer and whose detector count.
        place: `ALL`, `OBJECT` or `BACKGROUND`.
        features: Features ``[N, C, H, W]``.

    Raises:
        PandaError: Where no background was found.
    """
    if place == ALL:
        return features.new_ones(1, *features.shape[2:])
    where = object_map(factors, features)
    return where if place == OBJECT else 1 - where


def check_masks(path: str, size: Size) -> None:
    """Raise `PandaError` where there is no such mask of images of a size, or no folder of masks."""
    if not is_folder(path):
        read_mask(path, size)
    elif not expand(path).is_dir():
        raise PandaError(f"there is no folder of masks {path}{nearest_file(expand(path))}")


def check_made(path: str, photographs: bool, **options: object) -> None:
    """Raise `PandaError` where PandA made the pictures of a folder for other samples, or no masks.

    A folder that somebody else made may have anything.

    Args:
        path: A folder of masks.
        photographs: Whether the samples that are edited are those of an inversion.
        options: What the command line says of samples that are not, such as their truncation.
    """
    try:
        content = load_json(expand(path) / "config.json")
    except (OSError, ValueError, RecursionError):
        return
    made = content.get("made_by_panda") if isinstance(content, dict) else None
    if not isinstance(made, dict):
        return
    verb, latents = made.get("verb"), made.get("latents", "None")
    if verb != "localize":
        raise PandaError(f"{path} has pictures of 'panda {verb}', expected those of panda localize")
    if photographs != (latents != "None"):
        other = f"the photographs of {latents}" if latents != "None" else "seeds"
        edited = "photographs" if photographs else "seeds"
        raise PandaError(
            f"{path} has masks of {other}, but {edited} are edited; make masks of them with"
            " 'panda localize'"
        )
    for name, value in options.items():
        if not photographs and made.get(name, str(value)) != str(value):
            raise PandaError(
                f"{path} has masks of samples with {name} {made[name]}, but those that are edited"
                f" have {value}; make masks of them with 'panda localize'"
            )


def read_masks(path: str, numbers: Sequence[int], size: Size) -> Tensor:
    """Read a mask for all samples, ``[1, H, W]``, or one for each, ``[N, H, W]``, in [0, 1].

    Args:
        path: A PNG, or a folder that `panda localize` wrote: ``0003.png`` for sample 3.
        numbers: The N samples: their seeds, or their numbers in an inversion.
        size: That of the images, whose proportions masks have.

    Raises:
        PandaError: Where a sample has no mask, `read_mask` refuses one, or they differ in size.
    """
    if not is_folder(path):
        return read_mask(path, size)[None]
    check_masks(path, size)
    folder, masks = expand(path), []
    for number in numbers:
        file = folder / f"{number:04}.png"
        if not file.is_file():
            others = sorted(each.stem for each in folder.glob("[0-9]*.png"))
            raise PandaError(
                f"{path} has no mask of sample {number} ({file.name}); it has"
                f" {', '.join(map(str, map(int, filter(str.isdecimal, others)))) or 'none':.60}"
            )
        masks.append(read_mask(file, size))
    if len({mask.shape for mask in masks}) > 1:
        raise PandaError(f"the masks in {path} differ in size")
    return torch.stack(masks)


def kept(where: Tensor, layer: Layer, other: Layer) -> Tensor:
    """Return how much of a change of latents stays at each position of another layer.

    A soft mask is multiplied by `REACH` and clipped to one, so that less of the effect is lost at
    its rim (``benchmarks/local_directions.py`` measures how much is kept).

    Args:
        where: Where the change is to act, ``[N, H, W]`` in [0, 1].
        layer: The layer of these positions.
        other: The layer at which the change is kept; it may be the same.
    """
    resized = where if layer == other else fit_layer(on_canvas(where, layer), other)
    return (resized * REACH).clamp_max(1)


def fit_layer(inside: Tensor, layer: Layer) -> Tensor:
    """Resize maps of the image ``[N, h, w]`` to a layer's positions, margins included."""
    margin = layer.margin
    size = layer.height - 2 * margin, layer.width - 2 * margin
    smaller = inside.shape[1] > size[0]  # means of what becomes one position, else interpolation
    options = {"mode": "area"} if smaller else {"mode": "bilinear", "align_corners": False}
    resized = F.interpolate(inside[:, None], size, **options)
    return F.pad(resized, (margin,) * 4, mode="replicate")[:, 0]


def read_mask(path: str | Path, size: Size) -> Tensor:
    """Read a mask ``[H, W]`` in [0, 1] from a PNG; what is transparent is outside.

    Args:
        path: The file.
        size: That of the images, whose proportions the mask has.

    Raises:
        PandaError: Where there is no such file, it is no picture, or has other proportions.
    """
    file = expand(path)
    if not file.is_file():
        raise PandaError(f"there is no mask {path}{nearest_file(file)}")
    mask = read_gray(file, "give a PNG in which white is inside")
    check_whole(f"the mask {path}", mask.shape, size)
    return torch.from_numpy(mask)


def check_whole(what: str, shape: Sequence[int], size: Size) -> None:
    """Raise `PandaError` where a mask has not the proportions of the images, ``size``."""
    if not same_shape(shape, size):
        raise PandaError(
            f"{what} has {size_text(shape)} pixels, expected one of the whole image, whose height"
            f" and width are {size_text(size)}"
        )
