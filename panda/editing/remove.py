"""Object removal: give the object the appearance of its surroundings (paper, section 4.2).

The background appearance (`panda.factorization.background`) is what the backgrounds of all
samples have in common, so what it paints has the color and texture of that very image.
"""

from __future__ import annotations

import torch
from torch import Tensor

from panda.editing.edit_files import STRENGTH
from panda.editing.localize import otsu
from panda.editing.natural import read_parts, resume, stop
from panda.errors import PandaError
from panda.factorization.background import border_mask
from panda.factorization.factors import Factors, scale_parts
from panda.factorization.part_names import Parts
from panda.generators.contract import Generator, Latents, on_canvas
from panda.generators.natural import as_number

REACH = 1.5
"""Soft masks are multiplied by this and clipped to one, so that an object goes with its rim."""

SOFT = 0.5
"""The range of the detector's coordinate over which the object fades into background.

On that scale object and background are 1 apart.
"""


def object_parts(factors: Factors) -> list[int]:
    """Return the parts away from where the background meets the border; all where there are none.

    Their order is that of the factors: strongest first.
    """
    (border,) = on_canvas(border_mask(factors.layer, factors.border)[None], factors.layer)
    masks = factors.masks
    # Not a number, and so not of the object, for a part that lies in the margins alone.
    density = (masks * border).sum((1, 2)) / masks.sum((1, 2)) / border.mean()
    inner = [part for part, value in enumerate(density.tolist()) if value < 0.9]
    return inner or list(range(len(masks)))


def object_map(factors: Factors, features: Tensor) -> Tensor:
    """Return how much each position belongs to the object, ``[N, H, W]`` in [0, 1].

    The background's detector decides, around the value that splits each sample's positions best.

    Args:
        factors: Whose detector decides.
        features: Features ``[N, C, H, W]``.
    """
    maps = torch.einsum("c,nchw->nhw", factors.background_detector.to(features), features)
    level = torch.stack([otsu(row) for row in on_canvas(maps, factors.layer)])
    return ((level[:, None, None] - maps) / SOFT + 0.5).clamp(0, 1)


def remove(
    factors: Factors,
    features: Tensor,
    parts: Parts | None = None,
    *,
    strength: float = STRENGTH,
    refined: Tensor | None = None,
) -> Tensor:
    """Return features in which parts, or the whole object, are background.

    There, each sample's features give way to the mean over its border, moved along the
    background appearance.

    Args:
        factors: What the parts count.
        features: Features ``[N, C, H, W]``.
        parts: Numbers or names of parts; by default the object is each sample's `object_map`.
        strength: How far to move, in units of the typical norm of a feature vector.
        refined: Parts ``[N, S, R_S]`` in place of the global ones.

    Returns:
        Features ``[N, C, H, W]``.

    Raises:
        PandaError: Where ``parts`` is empty, the factors have no such parts, or the strength is no
            finite number.
    """
    chosen = None if parts is None else _find(factors, parts)
    amount = as_number(strength, "strength")
    background, _ = factors.vector("bg", chosen or ())
    background = background.to(features)
    if chosen is None:
        where = object_map(factors, features)[:, None]
    else:
        masks = (factors.parts[None] if refined is None else refined).to(features)
        where = scale_parts(masks[:, :, list(chosen)].sum(2, keepdim=True)).mT
        where = where.view(-1, 1, factors.layer.height, factors.layer.width)
    paint = _border_mean(factors, features, background) + amount * background
    return torch.lerp(features, paint[:, :, None, None], where.mul(REACH).clamp_max(1))


def _find(factors: Factors, parts: Parts) -> tuple[int, ...]:
    """Return the numbers of parts; raises `PandaError` where none are given."""
    if not read_parts(parts):
        raise PandaError("no parts were given to remove; leave them out for the whole object")
    return factors.find_parts(parts)


def _border_mean(factors: Factors, features: Tensor, background: Tensor) -> Tensor:
    """Return each sample's mean feature ``[N, C]`` over the background-like half of its border."""
    rows = features.flatten(2)[:, :, border_mask(factors.layer, factors.border).flatten().bool()]
    likeness = (background @ rows)[:, None]
    like = (likeness >= likeness.median(2, keepdim=True).values).to(rows)
    return (rows * like).sum(2) / like.sum(2)


def remove_images(
    generator: Generator,
    factors: Factors,
    latents: Latents,
    parts: Parts | None = None,
    *,
    strength: float = STRENGTH,
) -> Tensor:
    """Return images ``[N, 3, R, R]`` without some parts, or without the object.

    Args:
        generator: The generator that the factors are of.
        factors: What the parts count.
        latents: Samples of this generator.
        parts: Numbers or names of parts, such as ``[0, 1]`` or ``"0+1"``; by default the whole
            object.
        strength: See `remove`.

    Raises:
        PandaError: Where the factors are not of this generator or have no such parts, the strength
            is no finite number, or an image comes out NaN.
    """
    state = stop(generator, factors, latents)
    x = remove(factors, state.x, parts, strength=strength)
    return resume(generator, factors, state, x)
