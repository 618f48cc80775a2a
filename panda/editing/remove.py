"""Object removal: give it the appearance of what surrounds it (paper, section 4.2).

The background appearance (`panda.factorization.background`) is what every sample's own background
has in common, so what it paints has the color and texture of that very image.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from panda.editing.localize import otsu
from panda.errors import PandaError
from panda.factorization.background import border_mask
from panda.factorization.factors import Factors, scale_parts
from panda.generators.contract import Generator, Latents, Layer, on_canvas

STRENGTH = 1.2
"""In units of the typical (root mean square) norm of a feature vector."""

REACH = 1.5
"""Soft masks are multiplied by this and clipped to one, so that a rim goes with what it is of."""

SOFT = 0.5
"""Over so much of the detector's coordinate the object fades into background, which is 1 away."""


def object_parts(factors: Factors) -> list[int]:
    """Parts that keep away from where the background meets the border, strongest first.

    All of them where none does.
    """
    border = border_mask(factors.layer)
    masks = factors.masks
    density = (masks * border).sum((1, 2)) / masks.sum((1, 2)) / border.mean()
    inner = [part for part, value in enumerate(density.tolist()) if value < 0.9]
    return inner or list(range(len(masks)))


def object_map(factors: Factors, features: Tensor) -> Tensor:
    """How far each position of features ``[N, C, H, W]`` is of the object, ``[N, H, W]`` in [0, 1].

    By the background's detector, around the value that splits each sample's positions best.
    """
    maps = torch.einsum("c,nchw->nhw", factors.background_detector.to(features), features)
    level = torch.stack([otsu(row) for row in on_canvas(maps, factors.layer)])
    return ((level[:, None, None] - maps) / SOFT + 0.5).clamp(0, 1)


def remove(
    factors: Factors,
    features: Tensor,
    parts: Sequence[int] | None = None,
    *,
    strength: float = STRENGTH,
    refined: Tensor | None = None,
) -> Tensor:
    """Return features ``[N, C, H, W]`` in which parts, or the whole object, are background.

    There, each sample's features give way to those of its own border, moved along the background
    appearance. ``refined`` parts ``[N, S, R_S]`` replace the global ones; without ``parts`` the
    object is what each sample's `object_map` says. Raises `PandaError` for an empty list of parts
    and for parts out of range.
    """
    if parts is not None and not parts:
        raise PandaError("no parts were given to remove; leave them out for the whole object")
    background, _ = factors.vector("bg", parts or ())
    background = background.to(features)
    if parts is None:
        where = object_map(factors, features)[:, None]
    else:
        chosen = (factors.parts[None] if refined is None else refined).to(features)
        where = scale_parts(chosen[:, :, list(parts)].sum(2, keepdim=True)).mT
        where = where.view(-1, 1, factors.layer.height, factors.layer.width)
    paint = _own_background(factors.layer, features, background) + strength * background
    return torch.lerp(features, paint[:, :, None, None], where.mul(REACH).clamp_max(1))


def _own_background(layer: Layer, features: Tensor, background: Tensor) -> Tensor:
    """Each sample's mean feature ``[N, C]`` over the more background-like half of its border."""
    rows = features.flatten(2)[:, :, border_mask(layer).flatten().bool()]
    likeness = (background @ rows)[:, None]
    like = (likeness >= likeness.median(2, keepdim=True).values).to(rows)
    return (rows * like).sum(2) / like.sum(2)


def remove_images(
    generator: Generator,
    factors: Factors,
    latents: Latents,
    parts: Sequence[int] | None = None,
    *,
    strength: float = STRENGTH,
) -> Tensor:
    """Return images ``[N, 3, R, R]`` without the parts, or the whole object, full resolution."""
    factors.check(generator)
    state = generator.head(latents, factors.layer.name)
    x = remove(factors, state.x, parts, strength=strength)
    return generator.tail(state.with_features(x), factors.layer.name)
