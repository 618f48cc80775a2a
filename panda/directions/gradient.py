"""Directions by effect: gradients of what face parsing measures, such as the area of the eyes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor

from panda.directions.changes import Change, StyleChange, WChange, ZChange
from panda.directions.method import Method
from panda.directions.stylespace import style_deviations
from panda.errors import PandaError, nearest
from panda.generators.contract import Generator, Latents
from panda.generators.latent_spaces import WSpace, z_space
from panda.metrics.faces import show_face
from panda.metrics.parsing import FaceParser, enlarged
from panda.metrics.regions import Parsed, Regions
from panda.metrics.roir import small
from panda.metrics.soft_measures import MEASURES, SIDE, soft_measures
from panda.progress import bar

MIDDLE = (4, 8)
"""The slots that LowRankGAN moves, in which most of a face's shape is."""


@dataclass(frozen=True)
class Gradient(Method):
    """The gradient of a measure with respect to w and styles, or z; mean over some faces.

    Along it the mean of the measure grows fastest. Face parsing is what measures, so that these
    edits are supervised: they are told what other methods have to find. Where there is w, each
    measure has directions of norm one for all slots, for each third of them, and for `MIDDLE`; and
    the single style channels by which it grows most for a standard deviation, which is what their
    strength counts. Else it has one direction of z, of norm one.

    Source: none; GANalyze (arXiv 1906.10112) learns a direction by what a network says of images.

    Attributes:
        images: Faces whose gradients are averaged, of the seeds from 0 on.
        measures: Names of `panda.metrics.soft_measures.MEASURES`, separated by commas.
        channels: Style channels for each measure.
        samples: Samples for the standard deviations of styles.
    """

    name = "gradient"
    source = "arXiv 1906.10112"
    supervised = True
    images: int = 8
    measures: str = (
        "eye area,nose length,nose width,mouth opening,mouth width,lip corners,brow height,"
        "hair area,hair brightness,background detail"
    )
    channels: int = 5
    samples: int = 1000

    @property
    def names(self) -> list[str]:
        """The names of the measures."""
        return [name.strip() for name in self.measures.split(",")]

    def gradients(self, generator: Generator, regions: Regions) -> dict[str, Tensor]:
        """Return the sum of gradients over faces by measure, float64 on the CPU.

        They are ``[slots, D + C]`` with respect to w and styles, or ``[Z]`` to z.

        Args:
            generator: The generator.
            regions: Those that are parsed lend their parser.

        Raises:
            PandaError: Where a setting is out of range, the generator has neither w nor z or gives
                no gradients, or its samples are no faces.
        """
        if self.samples < 2:
            raise PandaError(f"{self.samples} samples, expected at least 2")
        if not isinstance(generator, WSpace):
            z_space(generator, "Gradient")
        return summed_gradients(generator, regions, self.names, self.images, _latent)

    def changes(self, generator: Generator, regions: Regions) -> Mapping[str, Change]:
        """See `Method.changes`; ``regions`` that are parsed lend their parser."""
        edits: dict[str, Change] = {}
        totals = self.gradients(generator, regions)
        if isinstance(generator, WSpace):
            deviations = style_deviations(generator, self.samples)
            for name, gradient in totals.items():
                for start, stop in _ranges(len(gradient)):
                    if (change := along(generator, gradient, start, stop)) is not None:
                        edits[f"{name} in {start}-{stop - 1}"] = change
                edits |= self._channels(generator, name, gradient, deviations)
        else:
            found = {name: along(generator, row) for name, row in totals.items()}
            edits |= {name: change for name, change in found.items() if change is not None}
        if not edits:
            raise PandaError(
                f"nothing moves {', '.join(self.names)} in {self.images} samples of"
                f" {generator.name}; more 'images' may have what is measured"
            )
        return edits

    def aim(self, edit: str) -> str | None:
        """See `Method.aim`."""
        return edit.rpartition(" in ")[0] or edit

    def _channels(
        self, space: WSpace, name: str, gradient: Tensor, deviations: Mapping[str, Tensor]
    ) -> dict[str, Change]:
        """Return the style channels that move a measure most, by name."""
        size, slots = len(space.w_mean), list(space.slots)
        rows = [
            (float(effect.abs()), slot, channel, float(deviation))
            for slot, row in deviations.items()
            for channel, (effect, deviation) in enumerate(
                zip(gradient[slots.index(slot), size : size + len(row)] * row, row, strict=True)
            )
        ]
        best = sorted(rows, reverse=True)[: self.channels]
        return {
            f"{name} in {slot} {channel}": StyleChange(slot, channel, deviation)
            for effect, slot, channel, deviation in best
            if effect > 0
        }


Start = Callable[[Generator, Latents], tuple[Tensor, Tensor]]
"""From one sample to what gradients are taken of, ``[1, ...]``, and the image that follows."""


def summed_gradients(
    generator: Generator, regions: Regions, names: Sequence[str], count: int, start: Start
) -> dict[str, Tensor]:
    """Return the sum over faces of the gradients of measures by name, float64 on the CPU.

    Args:
        generator: The generator.
        regions: Those that are parsed lend their parser.
        names: Of `panda.metrics.soft_measures.MEASURES`.
        count: The number of samples, of the seeds from 0 on.
        start: Says with respect to what.

    Raises:
        PandaError: Where there is no such measure, the generator gives no gradients, or its samples
            are no faces.
    """
    for name in names:
        if name not in MEASURES:
            raise PandaError(f"there is no measure {name!r}{nearest(name, MEASURES)}")
    if count < 1:
        raise PandaError(f"{count} images, expected at least 1")
    parser, size = (
        (regions.parser, regions.size)
        if isinstance(regions, Parsed)
        else (FaceParser(generator.device), 512)
    )
    totals: dict[str, Tensor] = {}
    seen = 0
    for seed in bar(range(count), desc="gradients", unit="face"):
        latents = generator.sample([seed], truncation=generator.usual_truncation)
        gradients = _gradients(generator, parser, size, names, latents, start)
        if gradients is not None:
            seen += 1
            for name, gradient in gradients.items():
                totals[name] = totals.get(name, 0) + gradient
    if 2 * seen < count:
        raise PandaError(
            f"the samples of {generator.name} are no faces, so face parsing can measure nothing on"
            " them; give a generator of faces"
        )
    return totals


def _gradients(
    generator: Generator,
    parser: FaceParser,
    size: int,
    names: Sequence[str],
    latents: Latents,
    start: Start,
) -> dict[str, Tensor] | None:
    """Return the gradients of what one sample has, float64 on the CPU; None where it is no face."""
    with torch.enable_grad():
        x, image = start(generator, latents)
        images = small(image)
        if not images.requires_grad:
            raise PandaError(
                f"{generator.name} gives no gradients: torch cannot follow how its images depend"
                " on latents"
            )
        scores = parser.scores(images, size)
        measured = soft_measures(images, scores)
    if not bool(show_face(enlarged(scores.detach(), SIDE).argmax(1))):
        return None
    gradients = {}
    for name in names:
        if bool(measured[name].isfinite()):
            (gradient,) = torch.autograd.grad(
                measured[name].sum(), x, retain_graph=True, materialize_grads=True
            )
            if bool(gradient.isfinite().all()):
                gradients[name] = gradient[0].double().cpu()
    return gradients


def along(
    generator: Generator, gradient: Tensor, start: int = 0, stop: int | None = None
) -> WChange | ZChange | None:
    """Return the direction of norm one along a gradient; None where that is zero.

    Args:
        generator: The generator.
        gradient: What `Gradient.gradients` returns of a measure.
        start: The first slot of w that moves; of no effect without w.
        stop: The slot after the last; None for all from ``start`` on.
    """
    if not isinstance(generator, WSpace):
        return ZChange(_unit(gradient)) if bool(gradient.any()) else None
    direction = gradient[start:stop, : len(generator.w_mean)].sum(0)
    return WChange(_unit(direction), start, stop) if bool(direction.any()) else None


def _latent(generator: Generator, latents: Latents) -> tuple[Tensor, Tensor]:
    """Return the latent that gradients are taken of, and the image of it; see `Start`.

    It is z ``[1, Z]``, or w ``[1, slots, D + C]`` with shifts of styles that are zero, as
    `WSpace.shift_styles` makes it.
    """
    key = "z"
    if isinstance(generator, WSpace):
        key, latents = "w", generator.shift_styles(latents, {})
    leaf = latents.tensors[key].detach().clone().requires_grad_()
    # Times one, since a backend may write to its latents, but not to a leaf.
    moved = replace(latents, tensors={**latents.tensors, key: leaf * 1})
    return leaf, generator.forward(moved)


def _ranges(slots: int) -> list[tuple[int, int]]:
    """Return ranges of slots: all, thirds, and `MIDDLE` where there are more."""
    cuts = [round(slots * third / 3) for third in range(4)]
    ranges = [(0, slots), *pairwise(cuts)]
    if slots > MIDDLE[1]:
        ranges.append(MIDDLE)
    return [(start, stop) for start, stop in dict.fromkeys(ranges) if start < stop]


def _unit(direction: Tensor) -> Tensor:
    unit: Tensor = direction / direction.norm()
    return unit.float()
