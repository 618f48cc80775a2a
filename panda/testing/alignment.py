"""A check of where features lie: position (y, x) of a layer shows at the same place of the image.

Weak noise is added to strips of rows and of columns, and the energy of the image's change tells
where each strip shows. ``benchmarks/alignment.py`` measured the bounds.
"""

from __future__ import annotations

from collections.abc import Sequence
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

SMALLEST = 4
"""Of fewer rows or columns nothing is said."""

COARSE = 8
"""Layers with fewer rows or columns are coarse: what lies behind them reaches far."""

LEAST, SURE = {True: 0.55, False: 0.66}, {True: 0.65, False: 0.75}
"""The least mean share of the change that lies in the half whose features have noise, and the mean
above which no more noise is drawn; of coarse layers and of others. By chance it is 0.5."""

DRAWINGS = 8
"""Drawings of noise at most: one leaves some doubt at early layers."""

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
    def is_coarse(self) -> bool:
        """Whether there are few rows or columns."""
        return self.size < COARSE

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
    generator: Generator, latents: Latents, layer: str, drawing: int = 0
) -> tuple[Strips | None, Strips | None]:
    """Return the strips of rows and those of columns, each None where nothing can be said.

    Five passes from the layer on. The layer's margin has no noise.

    Args:
        generator: The generator.
        latents: Two samples.
        layer: The layer.
        drawing: The seed of the noise. Where it is even, rows have noise in the first sample and
            columns in the second, else the other way round.
    """
    place, state = generator.layers[layer], generator.head(latents, layer)
    noise, image = NOISE * deviation(state.x, drawing), generator.tail(state, layer).detach()
    samples = (0, 1) if drawing % 2 == 0 else (1, 0)
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
            region: Any = (samples[axis], slice(None), *inside)
            x[region] += noise[region]
        change = generator.tail(state.with_features(x), layer).detach().double() - image.double()
        for axis in axes:
            energies[axis].append(change[samples[axis]].square().sum((0, 2 - axis)))
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


def drawings(
    generator: Generator, latents: Latents, layer: str
) -> tuple[list[Strips], list[Strips]]:
    """Return the strips of rows and those of columns, for each drawing of noise.

    They end where the mean share leaves no doubt.
    """
    rows, columns = list[Strips](), list[Strips]()
    for drawing in range(DRAWINGS):
        for drawn, seen in zip(
            (rows, columns), strips(generator, latents, layer, drawing), strict=True
        ):
            drawn += [seen] if seen else []
        both = [drawn for drawn in (rows, columns) if drawn]
        if all(mean_share(drawn) > SURE[drawn[0].is_coarse] for drawn in both):
            break
    return rows, columns


def mean_share(drawn: Sequence[Strips]) -> float:
    """Return the mean share of the change that lies in the half with the noise."""
    return sum(seen.share for seen in drawn) / len(drawn)


@check("sensitivity", "in_place")
def aligned(trial: Trial) -> Problems:
    """Position (y, x) of a layer shows at the same place of the image."""
    words = (("rows", "upper or lower", "height"), ("columns", "left or right", "width"))
    for name in trial.layers("aligned"):
        for drawn, said in zip(drawings(trial.generator, trial.latents, name), words, strict=True):
            if drawn and (text := _fault(drawn, *said)):
                yield Problem(text, name)
                break


def _fault(drawn: Sequence[Strips], lines: str, half: str, length: str) -> str:
    """Say what is wrong with where rows, or columns, show; empty where nothing is."""
    seen, share = drawn[0], mean_share(drawn)
    outward = seen.outward
    if share < LEAST[seen.is_coarse]:
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
