"""Where hair, eyes, ... of a face are in the features of each sample: ``face/hair``.

Parts are where they are in all samples; these places follow the sample, and an edit that moves
latents acts where they are before and after, so that hair can grow. A detector is linear: ridge
regression, from the features at a position to the share of it that face parsing gives the class.
So it is supervised by the parser. It is fitted once to a generator's weights, and kept in the
cache.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.nn import functional as F

from panda.directions.kept import keep
from panda.errors import PandaError, nearest
from panda.generators.contract import Generator, on_canvas
from panda.metrics.faces import show_face
from panda.metrics.parsing import FaceParser, mask
from panda.metrics.regions import PARSED
from panda.metrics.roir import small
from panda.progress import bar

PREFIX = "face/"

RISE = 0.2, 0.5
"""What a detector says where its place begins, and where a position is wholly inside."""

GROWTH = 1 / 64
"""How far a place is widened, in widths of the features; by one position at least."""

RIDGE = 1e-3
"""Of the mean variance of a feature: what is added to all."""


@dataclass(frozen=True)
class Fit:
    """What detectors are fitted on.

    Attributes:
        layer: The layer of the features.
        samples: Faces, of the seeds from 0 on.
    """

    layer: str
    samples: int = 24


@dataclass(frozen=True, eq=False)
class Detector:
    """Where one of `panda.metrics.regions.PARSED` is in the features of a layer.

    Attributes:
        region: Its name.
        layer: The name of the layer.
        weights: What features are multiplied by, ``[C]``.
        offset: What is added.
    """

    region: str
    layer: str
    weights: Tensor
    offset: float

    def __call__(self, features: Tensor) -> Tensor:
        """Return how much of each position is inside, ``[N, H, W]`` in [0, 1].

        Args:
            features: ``[N, C, H, W]`` of the layer.
        """
        none, whole = RISE
        # A product of matrices needs no copy of the features, as `einsum` does.
        share = self.weights.to(features) @ features.flatten(2) + self.offset
        inside = ((share - none) / (whole - none)).clamp(0, 1)
        inside = inside.view(len(features), 1, *features.shape[2:])
        cells = max(1, round(GROWTH * features.shape[-1]))
        return F.max_pool2d(inside, 2 * cells + 1, 1, cells)[:, 0]


_FOUND: WeakKeyDictionary[Generator, dict[str, Mapping[str, Tensor]]] = WeakKeyDictionary()
"""The detectors of each generator that is in use, by layer."""


def is_of_face(place: str) -> bool:
    """Return whether a place is one of a face, such as ``face/hair``, and no file or folder."""
    return re.fullmatch(f"{PREFIX}[^/.]+", place) is not None


def check_of_face(place: str) -> None:
    """Raise `PandaError` where faces have no such place."""
    region = place.removeprefix(PREFIX)
    if region not in PARSED:
        known = ", ".join(PREFIX + name for name in PARSED)
        raise PandaError(
            f"faces have no place {place!r:.60}; expected {known}{nearest(region, PARSED)}"
        )


def find_detector(generator: Generator, place: str, layer: str) -> Detector:
    """Return the detector of a place of faces.

    Args:
        generator: A generator of faces.
        place: Such as ``"face/hair"``.
        layer: The name of the layer whose features it reads.

    Raises:
        PandaError: Where there is no such place, or face parsing does not see it in samples.
    """
    check_of_face(place)
    found = _FOUND.setdefault(generator, {})
    if layer not in found:
        settings = Fit(layer)
        found[layer] = keep(
            "detectors of faces", asdict(settings), generator, lambda: _fit(generator, settings)
        )
    region = place.removeprefix(PREFIX)
    if region not in found[layer]:
        raise PandaError(
            f"{place}: face parsing sees no {region} in {Fit(layer).samples} samples of"
            f" {generator.name}"
        )
    row = found[layer][region]
    return Detector(region, layer, row[:-1], float(row[-1]))


def union(detector: Detector, *features: Tensor) -> Tensor:
    """Return where any of several features ``[N, C, H, W]`` has the place, ``[N, H, W]``."""
    return torch.stack([detector(each) for each in features]).amax(0)


def _fit(generator: Generator, settings: Fit) -> dict[str, Tensor]:
    """Return weights and offset of the detector of each region that there is, ``[C + 1]``."""
    parser = FaceParser(generator.device)
    size = generator.layer(settings.layer).channels + 1
    products = torch.zeros(size, size, dtype=torch.float64, device=generator.device)
    moments = products.new_zeros(size, len(PARSED))
    faces = 0
    for features, shares in _parsed(generator, parser, settings):
        # One more feature that is always one, so that sums and numbers are moments too.
        x = torch.cat([features, features.new_ones(1, features.shape[1])])
        products, moments, faces = products + x @ x.T, moments + x @ shares.T, faces + 1
    if 2 * faces < settings.samples:
        raise PandaError(
            f"{faces} of {settings.samples} samples of {generator.name} are faces, so hair, eyes,"
            " ... cannot be found in them; name parts, or give masks"
        )
    total = products[-1, -1]
    mean, rate = products[:-1, -1] / total, moments[-1] / total
    variance = products[:-1, :-1] / total - mean[:, None] * mean
    variance.diagonal().add_(RIDGE * variance.diagonal().mean())
    weights = torch.linalg.solve(variance, moments[:-1] / total - mean[:, None] * rate)
    offsets = rate - mean @ weights
    return {
        region: torch.cat([weights[:, k], offsets[k : k + 1]])
        for k, region in enumerate(PARSED)
        if rate[k] > 0
    }


def _parsed(
    generator: Generator, parser: FaceParser, settings: Fit
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield features ``[C, S]`` and shares of regions ``[regions, S]`` of each face, float64."""
    layer = generator.layer(settings.layer)
    for seed in bar(range(settings.samples), desc="detectors", unit="face"):
        latents = generator.sample([seed], truncation=generator.usual_truncation)
        parsed = parser(small(generator.forward(latents)))
        if not bool(show_face(parsed)):
            continue
        x = generator.head(latents, layer.name).x[0]
        maps = torch.stack([mask(parsed, *classes)[0] for classes in PARSED.values()])
        features = on_canvas(x, layer)
        shares = F.adaptive_avg_pool2d(maps[None].double(), (features.shape[1], features.shape[2]))
        yield features.flatten(1).double(), shares[0].flatten(1).to(x.device)
