"""Names for parts and appearances, found by looking: what a part covers, what an edit changes.

With face parsing a part is told by the regions of the face that it covers, and an edit by the
measures of the face that it moves, in standard deviations over faces. Without, by place, brightness
and color: the same machinery needs parts alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from panda.editing.edits import Edit, direction
from panda.errors import PandaError
from panda.factorization.factors import Factors
from panda.generators.contract import Generator
from panda.metrics.face_shapes import BROWS, EYES, MOUTH
from panda.metrics.parsing import mask
from panda.metrics.roir import small
from panda.naming.effects import Parse, concerns, describe_effects, effect_of, look, spread
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
                        name: effect_of(measured[0][name] - measured[1][name], unit)
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
