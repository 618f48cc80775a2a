"""Object removal: give a part the appearance of what surrounds the object (paper, section 4.2).

The background appearance (`panda.background`) is what every sample's own background has in common,
so what it paints has the color and texture of that very image.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from panda.background import border_mask
from panda.factors import Factors, scale_parts
from panda.generator import Generator, Latents, Layer

STRENGTH = 1.2
"""In units of the typical (root mean square) norm of a feature vector."""

REACH = 1.5
"""Soft masks are multiplied by this and clipped to one, so that the rim of a part goes with it."""


def object_parts(factors: Factors) -> list[int]:
    """Parts that keep away from where the background meets the border, strongest first.

    All of them where none does.
    """
    border = border_mask(factors.layer)
    masks = factors.masks
    density = (masks * border).sum((1, 2)) / masks.sum((1, 2)) / border.mean()
    inner = [part for part, value in enumerate(density.tolist()) if value < 0.9]
    return inner or list(range(len(masks)))


def remove(
    factors: Factors,
    features: Tensor,
    parts: Sequence[int],
    *,
    strength: float = STRENGTH,
    refined: Tensor | None = None,
) -> Tensor:
    """Return features ``[N, C, H, W]`` in which the parts have become background.

    Inside the parts, each sample's features give way to those of its own border, moved along the
    background appearance. ``refined`` parts ``[N, S, R_S]`` replace the global ones. Raises
    `PandaError` for parts out of range.
    """
    background, _ = factors.vector("bg", parts)
    background = background.to(features)
    chosen = (factors.parts[None] if refined is None else refined).to(features)
    where = scale_parts(chosen[:, :, list(parts)].sum(2, keepdim=True)).mul(REACH).clamp_max(1)
    where = where.mT.view(-1, 1, factors.layer.height, factors.layer.width)
    paint = _own_background(factors.layer, features, background) + strength * background
    return torch.lerp(features, paint[:, :, None, None], where)


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
    parts: Sequence[int],
    *,
    strength: float = STRENGTH,
) -> Tensor:
    """Return images ``[N, 3, R, R]`` without the parts, full resolution."""
    factors.check(generator)
    state = generator.head(latents, factors.layer.name)
    x = remove(factors, state.x, parts, strength=strength)
    return generator.tail(state.with_features(x), factors.layer.name)
