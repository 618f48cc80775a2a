"""A check of where features lie: position (y, x) of a layer shows at the same place of the image.

Weak noise is added to strips of rows and of columns, and the energy of the image's change tells
where each strip shows. ``benchmarks/alignment.py`` measured the bounds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from panda.generators.contract import Generator, Latents
from panda.testing.checks import Problem, Problems, check, deviation

if TYPE_CHECKING:
    from panda.testing.trial import Trial

NOISE = 0.1
"""Deviations of the features that noise has: so little hardly passes through the statistics of
whole maps, by which instance norms change an image everywhere."""

OUTER = 8
"""The outermost strips are this part of the rows, or columns."""

SMALLEST = 8
"""Of fewer rows or columns nothing is said: each of them shows in most of the image."""

SHARE = 0.6
"""The least share of the change that lies in the half whose features have noise; 0.5 is chance."""

MIRRORED = 0.35
"""Where the share is below this, most of the change lies in the other half."""

FINE, SHARP, DISPLACED = 16, 0.98, 0.05
"""With at least so many rows or columns and such a sharpness, edges between strips are found to
within this part of the image."""


@dataclass(frozen=True, eq=False)
class Strips:
    """How noise in strips of a layer's rows, or columns, shows in the image.

    Attributes:
        energy: Of the change of the image's rows, or columns, by each of four strips, ``[4, R]``.
        edges: Where the inner three edges of the strips lie, as parts of the height or width.
        size: Rows or columns of the layer inside the image.
    """

    energy: Tensor
    edges: tuple[float, float, float]
    size: int

    @property
    def share(self) -> float:
        """The share of the change that lies in the half with the noise, the mean of both halves."""
        return float(self._shares()[round(self.edges[1] * self.energy.shape[1])])

    @property
    def sharpness(self) -> float:
        """That share if the halves met where it is the largest: they may show elsewhere."""
        return float(self._shares().max())

    def _shares(self) -> Tensor:
        """Return what `share` is if the image's halves meet before each row and behind the last."""
        first, second = self.energy[:2].sum(0), self.energy[2:].sum(0)
        before = torch.stack([first / first.sum(), -second / second.sum()]).sum(0).cumsum(0)
        return (1 + torch.cat([before.new_zeros(1), before])) / 2

    @property
    def outward(self) -> tuple[float, float, float]:
        """How much farther from the middle each edge shows than it lies, in parts of the image.

        Of the edge in the middle: how much lower, or farther to the right.
        """
        first, second, third, fourth = self.energy
        upper = self.edges[0] - _crossing(first, second)
        lower = 1 - _crossing(fourth.flip(0), third.flip(0)) - self.edges[2]
        return upper, _crossing(first + second, third + fourth) - self.edges[1], lower


def _crossing(before: Tensor, behind: Tensor) -> float:
    """Return where, as a part of the whole, the first of two energies ``[R]`` ends to be larger."""
    sums = torch.cat([before.new_zeros(1), (before - behind).cumsum(0)])
    return int(sums.argmax()) / len(before)


def strips(
    generator: Generator, latents: Latents, layer: str
) -> tuple[Strips | None, Strips | None]:
    """Return the strips of rows and those of columns, each None where nothing can be said.

    Five passes from the layer on. Rows have noise in the first of two samples, columns in the
    second. The layer's margin has none.
    """
    place, state = generator.layers[layer], generator.head(latents, layer)
    noise, image = NOISE * deviation(state.x), generator.tail(state, layer).detach()
    margin = place.margin
    sizes = place.height - 2 * margin, place.width - 2 * margin
    axes = [axis for axis in (0, 1) if sizes[axis] >= SMALLEST]
    edges = [_edges(size) for size in sizes]
    energies: list[list[Tensor]] = [[], []]
    for strip in range(4 if axes else 0):
        x = state.x.detach().clone()
        for axis in axes:
            inside = [slice(margin, margin + size) for size in sizes]
            start, stop = edges[axis][strip : strip + 2]
            inside[axis] = slice(margin + start, margin + stop)
            region: Any = (axis, slice(None), *inside)
            x[region] += noise[region]
        change = generator.tail(state.with_features(x), layer).detach().double() - image.double()
        for axis in axes:
            energies[axis].append(change[axis].square().sum((0, 2 - axis)))
    return tuple(  # type: ignore[return-value]
        _strips(energies[axis], edges[axis], sizes[axis]) if axis in axes else None
        for axis in (0, 1)
    )


def _edges(size: int) -> list[int]:
    """Return where four strips of ``size`` rows begin, and where the last of them ends."""
    outer = max(1, round(size / OUTER))
    return [0, outer, size // 2, size - outer, size]


def _strips(energies: list[Tensor], edges: list[int], size: int) -> Strips | None:
    energy = torch.stack(energies)
    halves = energy[:2].sum(), energy[2:].sum()
    if not bool(energy.isfinite().all()) or min(map(float, halves)) == 0:
        return None  # the checks of dead and of infinite values report these
    first, middle, last = (edge / size for edge in edges[1:4])
    return Strips(energy, (first, middle, last), size)


@check("sensitivity", "in_place")
def aligned(trial: Trial) -> Problems:
    """Position (y, x) of a layer shows at the same place of the image."""
    for name in trial.layers("aligned"):
        found = strips(trial.generator, trial.latents, name)
        words = (("rows", "upper or lower", "height"), ("columns", "left or right", "width"))
        for seen, (lines, half, length) in zip(found, words, strict=True):
            if seen is not None and (text := _fault(seen, lines, half, length)):
                yield Problem(text, name)
                break


def _fault(seen: Strips, lines: str, half: str, length: str) -> str:
    """Say what is wrong with where rows, or columns, show; empty where nothing is."""
    share, outward = seen.share, seen.outward
    if share < SHARE:
        return (
            f"of noise in the {half} half of the features, {share:.0%} of the image's change lies"
            " in that half; "
            + (
                f"{lines} run the other way: flip them in head, and back in tail"
                if share < MIRRORED
                else "let position (y, x) show at the same place of the image (do not transpose,"
                " shift or shuffle positions, or leave them in windows), or excuse the layer if"
                " its positions have no place"
            )
        )
    displaced = [edge for edge in outward if abs(edge) > DISPLACED]
    if seen.size < FINE or seen.sharpness < SHARP or len(displaced) < 2:
        return ""
    if min(outward[0], outward[2]) > DISPLACED:
        return (
            f"the outer {lines} of the features lie outside the image; declare them as"
            " Layer(..., margin=...)"
        )
    return (
        f"the features' {lines} show in a part of the image's {length} alone; let the image have no"
        " border that no features make (a letterbox, padding)"
    )


CHECKS = (aligned,)
"""In the order in which they run."""
