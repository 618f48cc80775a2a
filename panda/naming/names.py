"""Names of parts and appearances, from images: what a part covers, what an edit changes.

With face parsing a part is named by the regions of the face that it covers, and an edit by the
measures of the face that it changes, in standard deviations over faces. Without, parts are named by
place, and edits by brightness and color.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from panda.editing.apply import direction
from panda.editing.edits import Edit
from panda.errors import PandaError
from panda.factorization.factors import Factors
from panda.generators.contract import Generator
from panda.generators.seeds import Seeds, as_seeds
from panda.images import resize_map
from panda.metrics.changes import change
from panda.metrics.face_shapes import BROWS, EYES, MOUTH
from panda.metrics.parsing import mask
from panda.metrics.roir import small
from panda.naming.effects import (
    Looks,
    Measure,
    Parse,
    describe_effects,
    effect_of,
    look,
    look_at_faces,
    own_measures,
    spread,
)
from panda.naming.realism import Realism, breaks
from panda.naming.saved import impact_of
from panda.notes import note
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
"""What a part can be named after, by face classes."""

CHUNK = 4
"""Images in a batch; more only take memory."""

FAINT = 0.01
"""A part whose mask is less than this everywhere in the image is not in the image."""

OUTSIDE = "outside the image"
"""The name of a part that lies in the margins alone (`Layer.margin`)."""

LEAST = {
    "eyes": 1e-3,
    "brows": 1e-3,
    "nose": 5e-3,
    "mouth": 2e-3,
    "ears": 2e-3,
    "skin": 0.05,
    "neck": 5e-3,
    "hair": 0.01,
    "hat": 0.02,
    "clothes": 5e-3,
    "background": 0.02,
}
"""The least share of a sample that a group must cover there; less of it is an error of parsing."""

COMMON = 0.5
"""A group must be in at least this share of the samples: their parts are the same."""

COVERED = 0.5
"""A part is named after the groups with at least this share of the greatest mean mask value."""


def name_factors(
    generator: Generator,
    factors: Factors,
    parse: Parse | None,
    *,
    seeds: Seeds = range(4),
    appearances: int = 4,
    strength: float = 4.0,
) -> Factors:
    """Return the same factors with names in their config: of all parts and their own appearances.

    Each of the first appearances of a part is added at plus and minus ``strength`` to the samples;
    half of the difference, over the standard deviation between samples, is its effect. All effects
    are noted; the name is that of the effects on the part itself, measured inside it. Those of a
    part are in the order of `panda.naming.impact`.

    Args:
        generator: The generator that the factors are of.
        factors: What is to be named.
        parse: The face parser; without one, and where samples are no faces, names are places and
            colors.
        seeds: The samples to look at, at least two, in any form that `as_seeds` takes.
        appearances: How many of a part's own appearances are named.
        strength: In standard deviations.

    Raises:
        PandaError: For factors of another generator, and for fewer than two seeds.
    """
    factors.check(generator)
    seeds = as_seeds(seeds)
    if len(seeds) < 2:
        raise PandaError("names need at least two samples, to tell an effect from a difference")
    layer = factors.layer.name
    psi = generator.usual_truncation
    latents = generator.sample(seeds, truncation=psi, label=factors.label)
    chunks = [latents[start : start + CHUNK] for start in range(0, len(seeds), CHUNK)]
    parts = []
    count = min(appearances, factors.own.shape[1])
    # Every sample as it is, and with each edit at plus and minus the strength.
    total = len(seeds) * (1 + 2 * count * len(factors.masks))
    with bar(total=total, desc="name", unit="img") as progress:
        states = [generator.head(chunk, layer) for chunk in chunks]

        def render(change: Tensor | None = None) -> Tensor:
            images = []
            for state in states:
                x = state.x if change is None else state.x + change
                images.append(small(generator.tail(state.with_features(x), layer)))
                progress.update(len(x))
            return torch.cat(images)

        images = render()
        before, faces = look_at_faces(images, parse, factors.masks)
        if parse is not None and faces is None:
            note(f"the samples of {generator.name} are no faces, so parts are named by place")
        samples = Samples(images, before, faces)
        titles = [describe_part(mask, before.parsed) for mask in factors.masks]
        for part, title in enumerate(titles):
            listed = []
            for axis in factors.stable_axes(part)[:count]:
                edit = Edit((part,), f"p{axis}", strength, sigma=True)
                if factors.vector(f"p{axis}", (part,))[1] == 0:
                    progress.update(2 * len(seeds))
                    continue
                edited = {}
                for sign in (1, -1):
                    way = replace(edit, strength=sign * strength)
                    edited[way.strength] = render(direction(factors, [way]).to(states[0].x))
                listed.append(_describe_edit(factors, edit, title, samples, edited))
            listed.sort(key=lambda each: impact_of(factors, each).rank)
            parts.append({"name": title, "edits": listed})
    names = {"parts": parts, "faces": faces is not None, "samples": len(seeds)}
    return replace(factors, config={**factors.config, "names": names})


@dataclass(frozen=True, eq=False)
class Samples:
    """What edits are compared with.

    Attributes:
        images: Small samples ``[N, 3, h, w]``.
        looks: What is measured of them.
        parse: The face parser, where they are faces.
    """

    images: Tensor
    looks: Looks
    parse: Parse | None


def _describe_edit(
    factors: Factors, edit: Edit, title: str, samples: Samples, edited: Mapping[float, Tensor]
) -> dict[str, Any]:
    """Return what the names say of an edit, from small images after it at plus and minus.

    Args:
        factors: What the edit counts.
        edit: The edit, of one part.
        title: The name of the part.
        samples: The samples before the edit.
        edited: The samples after it, by its strength, the greater first.
    """
    (part,) = edit.parts
    mask, before = factors.masks[part], samples.looks
    realism = Realism.of(samples.images, mask)
    where = resize_map(mask, samples.images.shape[2:])
    whole, own, changes, broken = [], [], [], []
    for strength, images in edited.items():
        looks = look(images, samples.parse, factors.masks)
        whole.append({m: values for m, values in looks.measures.items() if m.part in (None, part)})
        own.append(own_measures(before, looks, part, title, mask))
        changes.append(torch.stack(change(samples.images, images, where)).mean(1))
        if breaks(realism, images, before.parsed, looks.parsed):
            broken.append(strength)
    effects, inner = (
        {
            measure: effect_of(up[measure] - down[measure], spread(before.measures[measure]))
            for measure in up
        }
        for up, down in (whole, own)
    )
    inside, outside = torch.stack(changes).mean(0).tolist()
    return {
        "edit": str(edit),
        "name": describe_effects(inner),
        "own": _noted(inner),
        "effects": _noted(effects),
        "inside": round(inside, 5),
        "outside": round(outside, 5),
        "broken": broken,
    }


def _noted(effects: Mapping[Measure, float]) -> dict[str, float]:
    """Return effects by the text of their measure, without those of hardly any size."""
    return {str(what): round(value, 3) for what, value in effects.items() if abs(value) >= 0.05}


def describe_part(part: Tensor, parsed: Tensor | None) -> str:
    """Return what a part covers, such as ``"mouth, nose"``, or where it is.

    A group counts in the samples of which it covers its `LEAST` share, if they are `COMMON`.

    Args:
        part: Its mask ``[H, W]`` in [0, 1].
        parsed: Class maps ``[N, H, W]`` of samples. Without them, or where nothing counts in them,
            the name is a place.
    """
    if parsed is None or float(part.max()) < FAINT:
        return place_of(part)
    weights = F.interpolate(part[None, None], parsed.shape[1:], mode="bilinear")[0, 0].to(
        parsed.device
    )
    density = {}
    for name, classes in GROUPS.items():
        inside = mask(parsed, *classes)
        enough = inside.float().mean((1, 2)) >= LEAST[name]
        if float(enough.float().mean()) >= COMMON:
            inside = inside[enough]
            density[name] = float(weights.expand_as(inside)[inside].mean())
    if not density:
        return place_of(part)
    best = max(density.values())
    ranked = sorted(density, key=lambda name: -density[name])
    return ", ".join([name for name in ranked if density[name] >= COVERED * best][:3])


def place_of(part: Tensor) -> str:
    """Return where the centroid of a mask ``[H, W]`` lies: ``"upper left"``, ``"center"``, ...

    `OUTSIDE` for a part that is in the margins alone.
    """
    if float(part.max()) < FAINT:
        return OUTSIDE
    rows, columns = (torch.linspace(0, 1, n) for n in part.shape)
    weight = part.float().cpu() / part.float().cpu().sum()
    down, across = float(weight.sum(1) @ rows), float(weight.sum(0) @ columns)
    vertical = "upper" if down < 0.4 else "lower" if down > 0.6 else ""
    horizontal = "left" if across < 0.4 else "right" if across > 0.6 else ""
    return f"{vertical} {horizontal}".strip() or "center"
