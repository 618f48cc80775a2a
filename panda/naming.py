"""Names for parts and appearances, found by looking: what a part covers, what an edit changes.

With face parsing a part is told by the regions of the face that it covers, and an edit by the
measures of the face that it moves, in standard deviations over faces. Without, by place, brightness
and color: the same machinery needs parts alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from panda.edit import Edit, direction
from panda.errors import PandaError
from panda.factors import Factors
from panda.generator import Generator
from panda.images import resize_map
from panda.metrics.face_shapes import BROWS, EYES, MOUTH, shapes
from panda.metrics.parsing import mask
from panda.metrics.roir import small
from panda.progress import bar

GROUPS: dict[str, tuple[str, ...]] = {
    "eyes": EYES,
    "brows": BROWS,
    "nose": ("nose",),
    "mouth": MOUTH,
    "ears": ("left ear", "right ear", "earring"),
    "skin": ("skin",),
    "neck": ("neck", "necklace"),
    "hair": ("hair",),
    "hat": ("hat",),
    "clothes": ("cloth",),
    "background": ("background",),
}
"""What a part may cover, by face classes."""

COVERED = 0.5
"""A part covers what its mask has at least this mean value on."""

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


def name_factors(
    generator: Generator,
    factors: Factors,
    parse: Parse | None,
    *,
    seeds: Sequence[int] = range(4),
    appearances: int = 4,
    strength: float = 4.0,
) -> Factors:
    """The same factors with names in their config: of every part, and of its own appearances.

    Each of the first ``appearances`` of a part is added at plus and minus ``strength`` standard
    deviations to the samples of ``seeds``; half of the difference, over the standard deviation
    between samples, is its effect. Raises `PandaError` for factors of another generator, and for
    fewer than two seeds.
    """
    factors.check(generator)
    if len(seeds) < 2:
        raise PandaError("names need at least two samples, to tell an effect from a difference")
    layer = factors.layer.name
    latents = generator.sample(seeds, truncation=generator.usual_truncation)
    state = generator.head(latents, layer)
    before = look(small(generator.tail(state, layer)), parse, factors.masks)
    spreads = {name: spread(values) for name, values in before.measures.items()}
    parts = []
    count = min(appearances, factors.own.shape[1])
    with bar(total=len(factors.masks) * count, desc="name", unit="edit") as progress:
        for part in range(len(factors.masks)):
            listed = []
            for axis in range(count):
                measured = []
                for sign in (1, -1):
                    edit = Edit((part,), f"p{axis}", sign * strength, sigma=True)
                    if factors.vector(f"p{axis}", (part,))[1] == 0:
                        continue
                    change = direction(factors, [edit]).to(state.x)
                    image = generator.tail(state.with_features(state.x + change), layer)
                    measured.append(look(small(image), parse, factors.masks).measures)
                if measured:
                    effects = {
                        name: _effect(measured[0][name] - measured[1][name], unit)
                        for name, unit in spreads.items()
                        if concerns(name, part)
                    }
                    listed.append(
                        {
                            "edit": f"{part}:p{axis}:{strength:g}sd",
                            "name": describe_effects(effects),
                            "effects": {
                                k: round(v, 3) for k, v in effects.items() if abs(v) >= 0.05
                            },
                        }
                    )
                progress.update(1)
            parts.append(
                {"name": describe_part(factors.masks[part], before.parsed), "edits": listed}
            )
    names = {"parts": parts, "faces": parse is not None, "samples": len(seeds)}
    return replace(factors, config={**factors.config, "names": names})


def concerns(measure: str, part: int) -> bool:
    """Shapes concern every part; brightness and warmth are those of the part that is edited."""
    return " of " not in measure or measure.endswith(f" of {part}")


def spread(values: Tensor) -> float:
    """The standard deviation of a measure ``[N]`` over the images that have it."""
    found = values[values.isfinite()]
    return float(found.std()) if len(found) > 1 else 0.0


def _effect(difference: Tensor, unit: float) -> float:
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


def describe_part(part: Tensor, parsed: Tensor | None) -> str:
    """Such as ``"mouth, nose"``: what a mask ``[H, W]`` covers densely; else where it is."""
    if parsed is None:
        return place_of(part)
    weights = F.interpolate(part[None, None], parsed.shape[1:], mode="bilinear")[0, 0].to(
        parsed.device
    )
    density = {}
    for name, classes in GROUPS.items():
        inside = mask(parsed, *classes)
        if bool(inside.any()):
            mean = float(weights.expand_as(inside)[inside].mean())
            density[name] = mean
    best = max(density.values())
    named = [n for n, d in sorted(density.items(), key=lambda i: -i[1]) if d >= COVERED * best]
    return ", ".join(named[:3])


def place_of(part: Tensor) -> str:
    """Where the weight of a mask ``[H, W]`` lies: ``"upper left"``, ``"center"``."""
    rows, columns = (torch.linspace(0, 1, n) for n in part.shape)
    weight = part.float().cpu() / part.float().cpu().sum()
    down, across = float(weight.sum(1) @ rows), float(weight.sum(0) @ columns)
    vertical = "upper" if down < 0.4 else "lower" if down > 0.6 else ""
    horizontal = "left" if across < 0.4 else "right" if across > 0.6 else ""
    return f"{vertical} {horizontal}".strip() or "center"


def names_of(factors: Factors) -> dict[str, Any]:
    """The names that `name_factors` found; raises `PandaError` where there are none yet."""
    names = factors.config.get("names")
    if not isinstance(names, dict) or not isinstance(names.get("parts"), list):
        raise PandaError("these factors have no names yet; run 'panda name FACTORS' first")
    return names
