"""What backgrounds look like in images, and how far those of two generators are apart.

A portrait has where the background is, its colors and its texture, for each sample and each set of
fit seeds, as histograms: any resampling of samples and sets is then a sum.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from panda.evaluation.background.scenes import batches
from panda.evaluation.baselines import direction_masks
from panda.generators.contract import Generator, Layer
from panda.generators.labels import Label
from panda.generators.seeds import evaluation_seeds
from panda.metrics.colors import lab
from panda.metrics.removal import away_from
from panda.metrics.roir import small
from panda.progress import bar

THUMB = 64
"""Pixels of the longer side of images that colors and texture are read from, and of both sides of
masks, whatever the generator's are."""

BINS = 128
"""Of a histogram."""

COLORS = -130.0, 130.0
"""The range of a color along a direction of CIELAB; what is beyond joins the last bin."""

DETAIL = 0.0, 40.0
"""The range of gradients, in lightness a pixel."""

PROJECTIONS = 16
"""Directions of CIELAB along which colors are compared: a sliced Wasserstein distance."""

RESAMPLED = 400
"""Resamplings of an interval."""

ASPECTS = {
    "where": "1 less the correlation of the mean masks",
    "colors": "sliced Wasserstein distance of the colors, in CIELAB units",
    "texture": "Wasserstein distance of the gradients of lightness, in units of L* a pixel",
}

Interval = tuple[float, float, float]
"""A figure, and the ends of its 95 % interval."""


@dataclass(frozen=True, eq=False)
class Portrait:
    """The background in the images of one generator.

    Attributes:
        masks: Where it is, ``[S, N, THUMB * THUMB]`` of zeros and ones, by set and sample.
        colors: Histograms ``[S, N, 2, PROJECTIONS * BINS]``, of background and of the rest.
        texture: Histograms ``[S, N, 2, BINS]`` of gradients, away from where both meet.
    """

    masks: Tensor
    colors: Tensor
    texture: Tensor


def portray(
    generator: Generator, label: Label | None, layer: Layer, detectors: Tensor, count: int
) -> Portrait:
    """Read the background that directions see in samples that no choice was made on.

    Args:
        generator: Where samples come from.
        label: The class of all; None where each seed draws its own.
        layer: The layer of the directions.
        detectors: A direction of each set, ``[S, C]``, higher on background.
        count: The number of samples.
    """
    draw = torch.Generator().manual_seed(0)
    directions = F.normalize(torch.randn(PROJECTIONS, 3, generator=draw), dim=1)
    rows: list[tuple[Tensor, Tensor, Tensor]] = []
    with bar(total=count, desc="portray", unit="img") as progress:
        for latents in batches(generator, label, evaluation_seeds(count)):
            x = generator.head(latents, layer.name).x
            colors = lab(small(generator.forward(latents), THUMB).cpu())
            size = colors.shape[2:]
            masks = torch.stack([direction_masks(layer, x, each, size).cpu() for each in detectors])
            sides = masks, ~masks
            rows.append(
                (
                    F.interpolate(masks.float(), (THUMB, THUMB)).flatten(2),
                    torch.stack([_color_histograms(colors, side, directions) for side in sides], 2),
                    torch.stack([_detail_histograms(colors, side) for side in sides], 2),
                )
            )
            progress.update(len(latents))
    return Portrait(*(torch.cat(parts, 1) for parts in zip(*rows, strict=True)))


def _color_histograms(colors: Tensor, masks: Tensor, directions: Tensor) -> Tensor:
    """Return histograms ``[S, N, PROJECTIONS * BINS]`` of colors ``[N, 3, h, w]`` in masks."""
    return _histograms(directions @ colors.flatten(2), masks.flatten(2), COLORS).flatten(2)


def _detail_histograms(colors: Tensor, masks: Tensor) -> Tensor:
    """Return histograms ``[S, N, BINS]`` of gradients of lightness, a pixel inside of masks."""
    padded = F.pad(colors[:, :1], (1, 1, 1, 1), mode="replicate")
    across = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    down = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    detail = (across.square() + down.square()).sqrt().flatten(2)
    inside = away_from(~masks.flatten(0, 1), 1).view(*masks.shape[:2], -1)
    return _histograms(detail, inside, DETAIL).flatten(2)


def _histograms(values: Tensor, where: Tensor, ends: tuple[float, float]) -> Tensor:
    """Return histograms ``[S, N, P, BINS]`` of values ``[N, P, T]`` where ``[S, N, T]`` is true."""
    low, high = ends
    bins = ((values - low) / (high - low) * BINS).long().clamp(0, BINS - 1)
    weights = where[:, :, None].float().expand(-1, -1, values.shape[1], -1)
    counts = torch.zeros(*weights.shape[:3], BINS)
    return counts.scatter_add_(3, bins.expand_as(weights), weights)


@dataclass(frozen=True)
class Likeness:
    """How far the backgrounds of two generators are apart in one of `ASPECTS`.

    All are figures with intervals over samples and sets. Distances are between disjoint halves of
    the samples.

    Attributes:
        first: A generator.
        second: Another.
        aspect: One of `ASPECTS`.
        distance: From one background to the other.
        floor: From a generator's own background to itself, mean of both: what chance makes.
        above_floor: The former less the latter.
        below_control: By how much the two backgrounds are nearer than one's background and the
            other's object, mean of both ways; None for where they are, of which one is the rest.
    """

    first: str
    second: str
    aspect: str
    distance: Interval
    floor: Interval
    above_floor: Interval
    below_control: Interval | None


def compare_portraits(portraits: Mapping[str, Portrait]) -> list[Likeness]:
    """Return how far the backgrounds of every two generators are apart, in every aspect."""
    draw = torch.Generator().manual_seed(0)
    halves = {name: _halves(portrait, draw) for name, portrait in portraits.items()}
    found = []
    for (first, a), (second, b) in itertools.combinations(halves.items(), 2):
        for aspect in ASPECTS:
            cross = (_apart(aspect, a[0], b[1]) + _apart(aspect, a[1], b[0])) / 2
            floor = (_apart(aspect, a[0], a[1]) + _apart(aspect, b[0], b[1])) / 2
            control = None
            if aspect != "where":
                other = [
                    (_apart(aspect, x[0], y[1], True) + _apart(aspect, x[1], y[0], True)) / 2
                    for x, y in ((a, b), (b, a))
                ]
                control = _interval((other[0] + other[1]) / 2 - cross)
            likeness = Likeness(
                first=first,
                second=second,
                aspect=aspect,
                distance=_interval(cross),
                floor=_interval(floor),
                above_floor=_interval(cross - floor),
                below_control=control,
            )
            found.append(likeness)
    return found


def _halves(portrait: Portrait, draw: torch.Generator) -> list[dict[str, Tensor]]:
    """Return the sums of each half of the samples, the first row as they are, others resampled.

    Tensors have `RESAMPLED` rows and one: ``where`` ``[R, T]``, ``colors`` ``[R, 2, P, BINS]``,
    ``texture`` ``[R, 2, 1, BINS]``.
    """
    sets, count = portrait.masks.shape[:2]
    of_sets = _counts(sets, draw)
    halves = []
    for rows in (slice(None, count // 2), slice(count // 2, None)):
        size = len(range(count)[rows])
        weights = (of_sets[:, :, None] * _counts(size, draw)[:, None]).flatten(1)
        sums = {
            name: (weights @ tensor[:, rows].flatten(0, 1).flatten(1)).view(1 + RESAMPLED, *shape)
            for name, tensor, shape in (
                ("where", portrait.masks, (1, 1, -1)),
                ("colors", portrait.colors, (2, PROJECTIONS, BINS)),
                ("texture", portrait.texture, (2, 1, BINS)),
            )
        }
        halves.append(sums)
    return halves


def _counts(count: int, draw: torch.Generator) -> Tensor:
    """Return how often each of some things is drawn, ``[R, count]``: each once in the first row."""
    drawn = torch.randint(count, (RESAMPLED, count), generator=draw)
    counts = F.one_hot(drawn, count).sum(1).float()
    return torch.cat([torch.ones(1, count), counts])


def _apart(
    aspect: str, a: Mapping[str, Tensor], b: Mapping[str, Tensor], rest: bool = False
) -> Tensor:
    """Return the distance ``[R]`` of two backgrounds, or of one to the ``rest`` of the other."""
    one, other = a[aspect], b[aspect]
    if aspect == "where":
        rows = torch.stack([one.flatten(1), other.flatten(1)])
        rows = rows - rows.mean(2, keepdim=True)
        correlation: Tensor = (rows[0] * rows[1]).sum(1) / rows.norm(dim=2).prod(0).clamp_min(1e-12)
        return 1 - correlation
    low, high = COLORS if aspect == "colors" else DETAIL
    shares = [
        (each / each.sum(-1, keepdim=True).clamp_min(1e-12)).cumsum(-1)
        for each in (one[:, 0], other[:, int(rest)])
    ]
    gaps: Tensor = (shares[0] - shares[1]).abs().sum(-1).mean(1)
    return gaps * (high - low) / BINS


def _interval(values: Tensor) -> Interval:
    """Return the first value, give or take 1.96 standard deviations of the resampled others.

    Their percentiles would be off: resampled halves are further apart than the halves are.
    """
    value, reach = float(values[0]), 1.96 * float(values[1:].double().std())
    return round(value, 5), round(value - reach, 5), round(value + reach, 5)
