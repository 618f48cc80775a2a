"""Samples between two others."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from panda.directions.changes import MixChange
from panda.errors import PandaError
from panda.generators.carried import PREFIX, mixed_changes
from panda.generators.contract import Generator, Latents
from panda.generators.latent_spaces import has_w

NARROW = 1e-3
"""The sine of an angle below which the chord is taken for the arc."""


def between(generator: Generator, start: Latents, end: Latents, share: float) -> Latents:
    """Return one sample on the way from one to another.

    w goes straight, in each slot for itself. Where there is none, z goes along a great circle,
    since the normal draws that a network has learned lie near a sphere, inside of which there are
    none; its length changes evenly. What samples carry goes straight, as do classes.

    Args:
        generator: Whose samples they are.
        start: One sample.
        end: Another one.
        share: 0 is at the start, to the bit, and 1 at the end.

    Raises:
        PandaError: Where the samples have tensors of different kinds.
    """
    if share in (0, 1):
        return end if share else start
    strengths = torch.tensor([share], dtype=torch.float64)
    if has_w(generator):
        return MixChange(end).moved(generator, start, strengths)
    mixed = mixed_changes(start, end, strengths)
    plain = {name for name in mixed.tensors if not name.startswith(PREFIX)}
    tensors = dict(mixed.tensors)
    for name in plain:
        tensors[name] = _between(name, start.tensors[name], end.tensors.get(name), share)
    labels = start.labels if start.labels == end.labels else None
    return replace(mixed, tensors=tensors, labels=labels)


def _between(name: str, start: Tensor, end: Tensor | None, share: float) -> Tensor:
    """Return a tensor of one sample on its way."""
    if end is None or end.shape != start.shape:
        shapes = f"{list(start.shape)} and {list(end.shape) if end is not None else 'nothing'}"
        raise PandaError(f"there is no way between samples whose {name} are {shapes}")
    if not start.is_floating_point():
        if not torch.equal(start, end):
            raise PandaError(
                f"there is no way between samples whose {name} differ: they are whole numbers"
            )
        return start
    return great_circle(start, end, share) if name == "z" else torch.lerp(start, end, share)


def great_circle(start: Tensor, end: Tensor, share: float) -> Tensor:
    """Return a point on the arc from one vector to another, whose length changes evenly.

    Args:
        start: A tensor of any shape, taken as one vector.
        end: Another one, of the same shape. Where it leads straight on or straight back, there is
            no one arc, and the way is straight.
        share: Of the angle, in [0, 1].
    """
    a, b = start.double(), end.double()
    lengths = a.norm(), b.norm()
    cosine = (a * b).sum() / (lengths[0] * lengths[1]).clamp_min(1e-30)
    angle = cosine.clamp(-1, 1).arccos()
    if float(angle.sin()) < NARROW:
        return torch.lerp(start, end, share)
    length = (1 - share) * lengths[0] + share * lengths[1]
    first, last = ((1 - share) * angle).sin() / lengths[0], (share * angle).sin() / lengths[1]
    point: Tensor = length / angle.sin() * (first * a + last * b)
    return point.to(start)
