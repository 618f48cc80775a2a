"""Where an edit acts, if not in parts: everywhere, in the object, around it, in a user's mask."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from panda.editing.remove import REACH, object_map
from panda.errors import PandaError
from panda.factorization.factors import Factors
from panda.files.nearest import nearest_file
from panda.files.tilde import expand
from panda.generators.contract import Layer, on_canvas
from panda.images import read_gray

ALL, OBJECT, BACKGROUND = "all", "object", "bg"
"""Everywhere; the object and what is around it, as the background's detector sees each sample."""


def is_place(text: str) -> bool:
    """Return whether text names a place: one of the three above, or a PNG file."""
    return text in (ALL, OBJECT, BACKGROUND) or is_mask(text)


def is_mask(text: str) -> bool:
    """Return whether text names a mask."""
    return text.lower().endswith(".png")


def place_map(factors: Factors, place: str, features: Tensor) -> Tensor:
    """Return how much of each position is of a place, ``[N or 1, H, W]`` in [0, 1].

    Args:
        factors: Whose layer and whose detector count.
        place: See `is_place`. A PNG is a mask of the whole image: white is inside, black outside.
        features: Features ``[N, C, H, W]``.

    Raises:
        PandaError: Where no background was found, or the file is no square picture.
    """
    if place == ALL:
        return features.new_ones(1, *features.shape[2:])
    if place in (OBJECT, BACKGROUND):
        where = object_map(factors, features)
        return where if place == OBJECT else 1 - where
    return mask_map(place, factors.layer).to(features)


def mask_map(path: str, layer: Layer) -> Tensor:
    """Return a mask at a layer's positions, ``[1, H, W]``; raises `PandaError` as `read_mask`."""
    return fit_layer(read_mask(path)[None], layer)


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


def read_mask(path: str | Path) -> Tensor:
    """Read a mask ``[R, R]`` in [0, 1] from a PNG; what is transparent is outside.

    Raises:
        PandaError: Where there is no such file, it is no picture, or it is not square, as the
            images are.
    """
    file = expand(path)
    if not file.is_file():
        raise PandaError(f"there is no mask {path}{nearest_file(file)}")
    mask = read_gray(file, "give a PNG in which white is inside")
    height, width = mask.shape
    if width != height:
        raise PandaError(
            f"the mask {path} has {width} x {height} pixels, expected a square of the whole image"
        )
    return torch.from_numpy(mask)
