"""A generator whose features reach beyond the image, as StyleGAN3's, with planted parts."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from drawn_faces import draw_features
from torch import Tensor
from torch.nn import functional as F

from panda import Generator, Latents, Layer, PandaError, State
from panda.generators.seeds import seeded_normal
from panda.metrics.parsing import CLASSES

CANVAS, MARGIN = 16, 8
WHOLE = CANVAS + 2 * MARGIN
SIZE = 64
LAYER = Layer("framed", 4, WHOLE, WHOLE, MARGIN)

HAIR = slice(0, 5), slice(0, 16)
SKIN = slice(5, 12), slice(4, 12)
"""Rows and columns of the canvas."""

OUTSIDE = slice(0, 7), slice(0, WHOLE)
"""Rows and columns of the features, all in the upper margin: it reaches down to the hair where the
features are taken for the image."""

COLORS = torch.tensor([[0.5, -0.3, -0.5], [0.3, 0.5, 0.1], [1.0, 1.0, 1.0], [-0.2, -0.2, 0.6]])


def planted() -> Tensor:
    """Return where hair, skin, what is outside, and the rest of the features are, ``[4, H, W]``."""
    maps = torch.zeros(4, WHOLE, WHOLE)
    canvas = maps[:, MARGIN:-MARGIN, MARGIN:-MARGIN]
    canvas[0][HAIR] = 1
    canvas[1][SKIN] = 1
    maps[2][OUTSIDE] = 1
    maps[3] = 1 - maps[:3].sum(0)
    return maps


def parse(images: Tensor, size: int = SIZE) -> Tensor:
    """Stand in for the face parser: hair and a face are where they were planted."""
    parsed = torch.zeros(CANVAS, CANVAS, dtype=torch.uint8)
    parsed[HAIR], parsed[SKIN] = CLASSES.index("hair"), CLASSES.index("skin")
    parsed = parsed.repeat_interleave(size // CANVAS, 0).repeat_interleave(size // CANVAS, 1)
    return draw_features(parsed.expand(len(images), -1, -1).clone())


class Framed(Generator):
    """Each planted part has a channel of its own, whose strength varies from sample to sample."""

    usual_truncation = 1.0
    size = (SIZE, SIZE)
    name = "framed"

    def __init__(self) -> None:
        self.device, self.dtype = torch.device("cpu"), torch.float32
        self.layers = {LAYER.name: LAYER}

    def sample(
        self, seeds: Sequence[int], *, truncation: float = 1.0, label: int | None = None
    ) -> Latents:
        if label is not None:
            raise PandaError("there are no classes")
        z = truncation * torch.from_numpy(seeded_normal(seeds, 4)).float()
        return Latents(tuple(seeds), {"z": z})

    def head(self, latents: Latents, layer: str) -> State:
        strengths = 1 + 0.2 * latents.tensors["z"].clamp(-2, 2)
        return State(strengths[:, :, None, None] * planted())

    def tail(self, state: State, layer: str) -> Tensor:
        inside = state.x[:, :, MARGIN:-MARGIN, MARGIN:-MARGIN]
        colors = torch.einsum("nkhw,kc->nchw", inside, COLORS)
        return F.interpolate(colors, (SIZE, SIZE), mode="nearest").clamp(-1, 1)

    def forward(self, latents: Latents) -> Tensor:
        return self.tail(self.head(latents, LAYER.name), LAYER.name)
