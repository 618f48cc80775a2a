"""Directions of any method, made local: of what they change, what is in a region's parts stays.

The setting ``local=64.conv2`` of a method, or ``local=64`` for the layer nearest to 64 positions,
says at which layer. The parts are those of a factorization that cover the region on the faces that
edits are chosen on. With ``local=face/64.conv2`` what stays is in the region itself, where a
detector sees it in each face (`panda.editing.detectors`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from panda.directions.changes import Change, LatentChange
from panda.editing.detectors import PREFIX, find_detector
from panda.editing.local import DetectedChange, LocalChange
from panda.errors import PandaError
from panda.evaluation.faces import Faces
from panda.factorization.factors import Factors
from panda.factorization.fit import fit
from panda.factorization.usual import usual_place
from panda.generators.contract import Generator

SAMPLES = 300
"""Of the fit whose parts are taken."""

COVER = 0.25
"""A part belongs to a region where its share there is at least this fraction of the best part's."""


def split_local(settings: Sequence[str]) -> tuple[str, list[str]]:
    """Return the layer at which a method's directions are made local, or "", and other settings.

    Raises:
        PandaError: Where ``local=`` names no layer, or there are several.
    """
    local = [text.removeprefix("local=") for text in settings if text.startswith("local=")]
    if len(local) > 1 or "" in local:
        raise PandaError(
            f"{':'.join(settings)!r:.60}: expected one layer, such as local=64, local=64.conv2 or"
            " local=face/64"
        )
    return (local[-1] if local else ""), [x for x in settings if not x.startswith("local=")]


def find_layer(generator: Generator, text: str) -> str:
    """Return the layer of that name, or nearest to that number of positions from side to side.

    Args:
        generator: The generator.
        text: What ``local=`` is.

    Raises:
        PandaError: Where there is no such layer.
    """
    text = text.removeprefix(PREFIX)
    if re.fullmatch("[0-9]+", text):
        return generator.layer_near(float(text)).name
    return generator.layer(text).name


def covering_parts(factors: Factors, often: Tensor) -> tuple[int, ...]:
    """Return the parts that cover a region.

    Args:
        factors: Whose parts are asked for.
        often: How often the region is at each pixel, ``[H, W]`` in [0, 1].
    """
    masks = factors.masks
    where = F.interpolate(often[None, None].to(masks), masks.shape[1:], mode="area")[0, 0]
    shares = (masks * where).sum((1, 2)) / masks.sum((1, 2)).clamp_min(1e-9)
    return tuple((shares >= COVER * shares.max()).nonzero()[:, 0].tolist())


@dataclass(frozen=True, eq=False)
class Localizer:
    """Makes changes of latents local.

    Attributes:
        factors: Whose parts are taken.
        layer: The layer at which changes are kept.
        regions: The parts that cover each region.
    """

    factors: Factors
    layer: str
    regions: dict[str, tuple[int, ...]]

    def __call__(self, change: Change, region: str) -> Change:
        """Return a change that acts in a region alone; that of features stays as it is."""
        if not isinstance(change, LatentChange):
            return change
        return LocalChange(change, self.factors, self.regions[region], self.layer)


@dataclass(frozen=True, eq=False)
class Detected:
    """Makes changes of latents local where detectors see their regions.

    Attributes:
        generator: What the detectors are of.
        layer: The layer at which changes are kept.
    """

    generator: Generator
    layer: str

    def __call__(self, change: Change, region: str) -> Change:
        """Return a change that acts in a region alone; that of features stays as it is."""
        if not isinstance(change, LatentChange):
            return change
        return DetectedChange(change, find_detector(self.generator, PREFIX + region, self.layer))


Keep = Callable[[Change, str], Change]
"""From a change and the name of a region to what is tried of it."""


def localizer(generator: Generator, local: str, faces: Faces) -> Keep:
    """Return what makes changes local at a layer, by the parts of a fit of its own or by detectors.

    Args:
        generator: The generator.
        local: What `split_local` returns.
        faces: Samples with the regions that parts are to cover.

    Raises:
        PandaError: Where there is no such layer.
    """
    name = find_layer(generator, local)
    if local.startswith(PREFIX):
        return Detected(generator, name)
    factors = parts_of(generator)
    regions = {
        region: covering_parts(factors, masks.float().mean(0))
        for region, masks in faces.regions.items()
    }
    return Localizer(factors, name, regions)


def parts_of(generator: Generator) -> Factors:
    """Fit the factors whose parts make changes local."""
    place, parts = usual_place(generator)
    return fit(generator, place.name, parts=parts, seeds=SAMPLES)
