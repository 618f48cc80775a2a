"""Object removal: what surrounds an object goes on where it was.

Features around the object are continued into its place (`panda.editing.fill`). Where the image has
hardly any surroundings, the place is painted with the background appearance instead
(`panda.factorization.background`; paper, section 4.2).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from panda.editing.fill import fill
from panda.editing.natural import read_parts, resume, stop
from panda.editing.syntax import STRENGTH
from panda.errors import PandaError
from panda.factorization.background import BORDERS, border_mask
from panda.factorization.factors import Factors, scale_parts
from panda.factorization.part_names import Parts
from panda.factorization.thresholds import otsu_each
from panda.generators.contract import Generator, Latents, on_canvas
from panda.generators.natural import as_number

REACH = 1.5
"""Soft masks are multiplied by this and clipped to one, so that an object goes with its rim."""

RIM = 0.15
"""Where the object has this much of a position, the position is replaced, and its neighbors are."""

KNOWN = 0.05
"""The least share of an image from which the rest is continued."""

PAINT = 1.2
"""Of the background appearance, in typical norms of a feature vector, where there is less."""

SOFT = 0.5
"""The range of the detector's coordinate over which the object fades into background.

On that scale object and background are 1 apart.
"""


def object_parts(factors: Factors) -> list[int]:
    """Return the parts away from where the background meets the border; all where there are none.

    Their order is that of the factors: strongest first.
    """
    (border,) = on_canvas(_border(factors)[None], factors.layer)
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

    Raises:
        PandaError: Where no background was found.
    """
    factors.check_background()
    maps = torch.einsum("c,nchw->nhw", factors.background_detector.to(features), features)
    level = otsu_each(on_canvas(maps, factors.layer))
    return ((level - maps) / SOFT + 0.5).clamp(0, 1)


def remove(
    factors: Factors,
    features: Tensor,
    parts: Parts | None = None,
    *,
    strength: float = STRENGTH,
    refined: Tensor | None = None,
    where: Tensor | None = None,
    before: Tensor | None = None,
) -> Tensor:
    """Return features in which the surroundings of parts, or of the whole object, replace them.

    Args:
        factors: What the parts count.
        features: Features ``[N, C, H, W]``.
        parts: Numbers or names of parts; by default the object is each sample's `object_map`.
        strength: How much of the object goes: 0 leaves it, 1 removes it.
        refined: Parts ``[N, S, R_S]`` in place of the global ones.
        where: In place of parts, how much of each position goes, ``[N or 1, H, W]`` in [0, 1].
        before: Features ``[N, C, H, W]`` in which the whole object is seen, where other edits have
            changed the given ones.

    Returns:
        Features ``[N, C, H, W]``.

    Raises:
        PandaError: Where ``parts`` is empty, the factors have no such parts, the strength is no
            number from 0 to 1, or the object is to go and no background was found.
    """
    chosen = None if parts is None else _find(factors, parts)
    amount = check_strength(strength)
    whole = chosen is None and where is None
    if chosen is not None:
        where = part_map(factors, chosen, refined)
    elif where is None:
        where = object_map(factors, features if before is None else before)
    where = where.to(features).expand(len(features), -1, -1)
    seen = where > RIM
    wide, narrow = grow(seen), seen
    if whole:
        wide, narrow = (mask | enclosed(factors, mask) for mask in (wide, narrow))
    # At 4 x 4 positions the neighbors of an object may be all that is around it.
    unknown = torch.where(_rest(factors, wide) < KNOWN, narrow, wide)
    weight = torch.maximum(soften(unknown.to(features)), (where * REACH).clamp_max(1))
    filled = _surroundings(factors, features, unknown)
    return torch.lerp(features, filled, amount * weight[:, None])


def part_map(factors: Factors, parts: Sequence[int], refined: Tensor | None = None) -> Tensor:
    """Return how much of each position is of some parts together, ``[N, H, W]`` in [0, 1].

    Their columns of P are summed, then scaled by their range (released ``edit_at_layer``).

    Args:
        factors: What the parts count.
        parts: Their numbers.
        refined: Parts ``[N, S, R_S]`` in place of the global ones, for which N is 1.
    """
    masks = factors.parts[None] if refined is None else refined
    where = scale_parts(masks[:, :, list(parts)].sum(2, keepdim=True))
    return where.view(-1, factors.layer.height, factors.layer.width)


def check_strength(strength: object) -> float:
    """Return the strength of a removal; raise `PandaError` where it is no number from 0 to 1."""
    amount = as_number(strength, "strength")
    if not 0 <= amount <= 1:
        raise PandaError(
            f"the strength of a removal is {amount:g}, expected 0 (nothing goes) to 1 (all goes)"
        )
    return amount


def grow(masks: Tensor, cells: int = 1) -> Tensor:
    """Return masks ``[N, H, W]`` bool with all neighbors of what they hold."""
    return F.max_pool2d(masks.float()[:, None], 2 * cells + 1, 1, cells)[:, 0] > 0


def enclosed(factors: Factors, unknown: Tensor) -> Tensor:
    """Return what lies apart from where the background meets the border, ``[N, H, W]`` bool.

    These are scraps of the object: a patch of a cap, clothes in a lower corner.
    """
    border = _border(factors).bool().numpy()
    apart = torch.zeros_like(unknown)
    for row, known in zip(apart, (~unknown).cpu().numpy(), strict=True):
        regions, _ = ndimage.label(known)
        row.copy_(torch.from_numpy(known & ~np.isin(regions, np.unique(regions[border & known]))))
    return apart


def soften(masks: Tensor) -> Tensor:
    """Return means of masks ``[N, H, W]`` over 3 x 3 positions."""
    return F.avg_pool2d(F.pad(masks[:, None], (1, 1, 1, 1), mode="replicate"), 3, 1)[:, 0]


def _surroundings(factors: Factors, features: Tensor, unknown: Tensor) -> Tensor:
    """Return features with the unknown ``[N, H, W]`` bool continued from the others, or painted."""
    filled = features.clone()
    enough = _rest(factors, unknown).flatten() >= KNOWN
    filled[enough] = fill(features[enough], unknown[enough])
    few = features[~enough]
    filled[~enough] = background_color(factors, few)[:, :, None, None].expand_as(few)
    return filled


def background_color(factors: Factors, features: Tensor) -> Tensor:
    """Return what the object of each sample is painted with, ``[N, C]``.

    It is the background-like half of the sample's border, moved along the background appearance.

    Args:
        factors: Whose background appearance it is; where they have none, the border is not moved.
        features: Features ``[N, C, H, W]``.
    """
    background = factors.background.to(features)
    if not factors.has_background:
        background = torch.zeros_like(background)
    return _border_mean(factors, features, background) + PAINT * background


def _rest(factors: Factors, unknown: Tensor) -> Tensor:
    """Return the share of each image that is known, ``[N, 1, 1]``."""
    return on_canvas(~unknown, factors.layer).float().mean((1, 2), keepdim=True)


def _find(factors: Factors, parts: Parts) -> tuple[int, ...]:
    """Return the numbers of parts; raises `PandaError` where none are given."""
    if not read_parts(parts):
        raise PandaError("no parts were given to remove; leave them out for the whole object")
    return factors.find_parts(parts)


def _border(factors: Factors) -> Tensor:
    """Return where background meets the border, ``[H, W]`` of zeros and ones."""
    border = factors.background_border
    place = BORDERS[0] if border == "none" else border
    return border_mask(factors.layer, factors.border, place)


def _border_mean(factors: Factors, features: Tensor, background: Tensor) -> Tensor:
    """Return each sample's mean feature ``[N, C]`` over the background-like half of its border."""
    rows = features.flatten(2)[:, :, _border(factors).flatten().bool()]
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
    """Return images ``[N, channels, H, W]`` without some parts, or without the object.

    Args:
        generator: The generator that the factors are of.
        factors: What the parts count.
        latents: Samples of this generator.
        parts: Numbers or names of parts, such as ``[0, 1]`` or ``"0+1"``; by default the whole
            object.
        strength: See `remove`.

    Raises:
        PandaError: Where the factors are not of this generator or have no such parts, the strength
            is no number from 0 to 1, or an image comes out NaN.
    """
    state = stop(generator, factors, latents)
    x = remove(factors, state.x, parts, strength=strength)
    return resume(generator, state.with_features(x), factors.layer.name)
