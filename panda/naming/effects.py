"""What an edit does, by what is measured of images before and after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from panda.images import resize_map
from panda.metrics.face_shapes import shapes

SIGNIFICANT = 0.3
"""An effect is worth a name from so many standard deviations on."""


UNSEEN = "no effect that is measured"


Parse = Callable[[Tensor], Tensor]
"""From images ``[N, 3, S, S]`` to class maps ``[N, H, W]``."""


@dataclass(frozen=True)
class Looks:
    """What is measured of images: ``{measure: [N]}``, and class maps where faces are parsed."""

    measures: dict[str, Tensor]
    parsed: Tensor | None


def look(images: Tensor, parse: Parse | None, masks: Tensor) -> Looks:
    """Measure small images: shapes of the face, and brightness and warmth in each part."""
    parsed = None if parse is None else parse(images)
    found = {} if parsed is None else shapes(parsed)
    where = torch.stack([resize_map(m, images.shape[-1]) for m in masks]).to(images)
    where = where / where.sum((1, 2), keepdim=True)
    colors = torch.einsum("nchw,khw->nkc", images, where).double().cpu()
    for part in range(len(masks)):
        found[f"brightness of {part}"] = (
            colors[:, part] @ torch.tensor([0.299, 0.587, 0.114]).double()
        )
        found[f"warmth of {part}"] = colors[:, part, 0] - colors[:, part, 2]
    return Looks(found, parsed)


def concerns(measure: str, part: int) -> bool:
    """Shapes concern every part; brightness and warmth are those of the part that is edited."""
    return " of " not in measure or measure.endswith(f" of {part}")


def spread(values: Tensor) -> float:
    """The standard deviation of a measure ``[N]`` over the images that have it."""
    found = values[values.isfinite()]
    return float(found.std()) if len(found) > 1 else 0.0


def effect_of(difference: Tensor, unit: float) -> float:
    """Half of a difference in standard deviations, over samples that have the measure."""
    found = difference[difference.isfinite()]
    return float(found.mean()) / (2 * unit) if len(found) and unit > 1e-9 else 0.0


def describe_effects(effects: Mapping[str, float], most: int = 3) -> str:
    """Such as ``"mouth opening +1.4, lip area -0.6"``, the strongest first."""
    strong = sorted(effects.items(), key=lambda item: -abs(item[1]))[:most]
    shown = [
        f"{name.partition(' of ')[0]} {value:+.1f}"
        for name, value in strong
        if abs(value) >= SIGNIFICANT
    ]
    return ", ".join(shown) or UNSEEN
