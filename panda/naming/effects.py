"""What an edit does, by measures of the images before and after it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from panda.images import resize_map
from panda.images.channels import LUMA
from panda.metrics.face_shapes import SHAPES, shapes
from panda.metrics.faces import are_faces
from panda.metrics.summary import mean_and_std

SIGNIFICANT = 0.3
"""The least effect, in standard deviations, that is named."""

UNSEEN = "no effect that is measured"
"""What an edit without any such effect is called."""

GROUPS_OF: dict[str, tuple[str, ...]] = {
    "eye area": ("eyes",),
    "nose length": ("nose",),
    "nose width": ("nose",),
    "mouth opening": ("mouth",),
    "mouth width": ("mouth",),
    "lip corners": ("mouth",),
    "lip area": ("mouth",),
    "brow height": ("brows",),
    "brow area": ("brows",),
    "hair area": ("hair", "hat"),
    "glasses area": ("eyes", "brows"),
    "hat area": ("hat", "hair"),
    "skin area": ("skin",),
    "neck area": ("neck",),
    "clothes area": ("clothes",),
}
"""In which parts a measure of `panda.metrics.face_shapes` is the part's own, by `GROUPS`."""

Parse = Callable[[Tensor], Tensor]
"""From images ``[N, 3, h, w]`` to class maps ``[N, H, W]``."""


@dataclass(frozen=True)
class Measure:
    """What is measured of an image.

    Attributes:
        name: Such as ``"mouth opening"``, a shape of the face, or ``"brightness"``.
        part: The part that it is measured in; None for the whole image.
    """

    name: str
    part: int | None = None

    def __str__(self) -> str:
        """Return the text that `parse` reads, such as ``"brightness of 3"``."""
        return self.name if self.part is None else f"{self.name} of {self.part}"

    @staticmethod
    def parse(text: str) -> Measure:
        """Return the measure of its text, which is its form in JSON."""
        match = re.fullmatch(r"(.+) of ([0-9]{1,6})", text)
        return Measure(match[1], int(match[2])) if match else Measure(text)


@dataclass(frozen=True, eq=False)
class Looks:
    """What is measured of N images.

    Attributes:
        measures: The values ``[N]`` float64 of each measure.
        parsed: Class maps ``[N, H, W]``, where faces are parsed.
    """

    measures: dict[Measure, Tensor]
    parsed: Tensor | None


def look_at_faces(images: Tensor, parse: Parse | None, masks: Tensor) -> tuple[Looks, Parse | None]:
    """Measure samples as `look` does, and return the parser too; None where they are no faces."""
    looks = look(images, parse, masks)
    if looks.parsed is None or are_faces(looks.parsed):
        return looks, parse
    return look(images, None, masks), None


def look(images: Tensor, parse: Parse | None, masks: Tensor) -> Looks:
    """Measure shapes of the face, and brightness and warmth in each part.

    Args:
        images: Small images ``[N, 3, h, w]`` in [-1, 1].
        parse: The face parser; without one, no shapes are measured.
        masks: Parts ``[R_S, H, W]`` in [0, 1].
    """
    parsed = None if parse is None else parse(images)
    measures = {} if parsed is None else {Measure(k): v for k, v in shapes(parsed).items()}
    where = torch.stack([resize_map(mask, images.shape[2:]) for mask in masks]).to(images)
    where = where / where.sum((1, 2), keepdim=True)
    colors = torch.einsum("nchw,khw->nkc", images, where).double().cpu()
    for part in range(len(masks)):
        measures[Measure("brightness", part)] = colors[:, part] @ torch.tensor(LUMA).double()
        measures[Measure("warmth", part)] = colors[:, part, 0] - colors[:, part, 2]
    return Looks(measures, parsed)


def concerns(measure: Measure, part: int, name: str) -> bool:
    """Return whether a measure is of a part itself: of its color, or of the shape of what it is.

    Args:
        measure: The measure.
        part: The number of the part.
        name: The name of the part, such as ``"mouth, nose"``.
    """
    if measure.part is not None:
        return measure.part == part
    return not set(GROUPS_OF[measure.name]).isdisjoint(name.split(", "))


def own_measures(
    before: Looks, after: Looks, part: int, name: str, mask: Tensor
) -> dict[Measure, Tensor]:
    """Return the measures ``[N]`` of a part itself after an edit, whatever else it changes.

    Shapes are those of class maps that are as after the edit where the part is at least half of its
    maximum, and as before it elsewhere.

    Args:
        before: The samples.
        after: The same samples after the edit.
        part: The number of the part.
        name: The name of the part.
        mask: Where it is, ``[H, W]`` in [0, 1].
    """
    own = {m: values for m, values in after.measures.items() if m.part == part}
    if before.parsed is None or after.parsed is None:
        return own
    where = resize_map(mask, after.parsed.shape[1:]).to(after.parsed.device)
    mixed = torch.where(where >= where.max() / 2, after.parsed, before.parsed)
    shown = [shape for shape in SHAPES if concerns(Measure(shape), part, name)]
    return own | {Measure(shape): SHAPES[shape](mixed).double().cpu() for shape in shown}


def spread(values: Tensor) -> float:
    """Return the standard deviation of a measure ``[N]`` over the images that have it."""
    return mean_and_std(values)[1]


def effect_of(difference: Tensor, unit: float) -> float:
    """Return half of the mean difference ``[N]`` of a measure, in units of ``unit``.

    Images that lack the measure do not count. Zero where all do, or ``unit`` is zero.
    """
    if unit <= 1e-9 or not bool(difference.isfinite().any()):
        return 0.0
    return mean_and_std(difference)[0] / (2 * unit)


def describe_effects(effects: Mapping[Measure, float], most: int = 3) -> str:
    """Return the strongest effects as text, such as ``"mouth opening +1.4, lip area -0.6"``.

    Args:
        effects: In standard deviations.
        most: How many are listed, of those that are `SIGNIFICANT`.
    """
    strong = sorted(effects.items(), key=lambda item: -abs(item[1]))[:most]
    listed = [f"{what.name} {value:+.1f}" for what, value in strong if abs(value) >= SIGNIFICANT]
    return ", ".join(listed) or UNSEEN
