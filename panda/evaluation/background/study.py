"""The figures of a study, by generator, layer, kind of direction and measure."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from panda.errors import PandaError
from panda.evaluation.background.portraits import Likeness
from panda.evaluation.background.settings import BackgroundSettings
from panda.evaluation.background.store import BackgroundFolder
from panda.generators.entries import Entry
from panda.metrics.removal import area_gone

GONE = "gone"
"""A measure that is made of two: the parsed area of the object before and after."""


BEFORE = "before"
"""In place of a kind of direction: the samples before they are edited."""

FACTORS = ("column", "axis")
"""The kinds of directions that factors have."""


@dataclass(frozen=True)
class Stability:
    """How alike the directions are that were chosen in different sets of seeds.

    Each is the mean over all pairs of sets, with the lowest and the highest.

    Attributes:
        cosine: The absolute cosine of a chosen direction to the nearest candidate of the other set.
        maps: The correlation of the two chosen directions' maps, of the same samples.
    """

    cosine: tuple[float, float, float]
    maps: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Measured:
    """All figures of one generator.

    Attributes:
        name: The generator.
        layers: The names of its layers, from coarse to fine.
        units: The figures of each layer and set, by layer.
        stabilities: By layer and kind of direction; none where there is a single set.
    """

    name: str
    layers: Sequence[str]
    units: dict[str, list[dict[str, Any]]]
    stabilities: dict[tuple[str, str], Stability]

    @classmethod
    def read(cls, folder: BackgroundFolder, entry: Entry, layers: list[str], sets: int) -> Measured:
        """Read what is done of a generator; raise `PandaError` where a file is damaged."""
        units = {layer: [folder.figures(entry, layer, k) for k in range(sets)] for layer in layers}
        stabilities = {}
        for layer in layers if sets > 1 else ():
            kinds = list(units[layer][0]["methods"])
            tensors = [folder.tensors(entry, layer, k) for k in range(sets)]
            for row, kind in enumerate(kinds):
                stabilities[layer, kind] = _stability(tensors, row, kind)
        return cls(entry.name, layers, units, stabilities)

    @property
    def faces(self) -> bool:
        """Whether its images were parsed."""
        return self.units[self.layers[0]][0]["constant"] is not None

    @property
    def whole(self) -> float | None:
        """The share of the scored samples that show a whole face; None where it is not known."""
        share: float | None = self.units[self.layers[0]][0].get("whole")
        return share

    def selected(self, layer: str, kind: str) -> float:
        """Return how well a kind fits on the samples of choices, mean over the sets."""
        scores = [float(unit["methods"][kind]["selected"]) for unit in self.units[layer]]
        return sum(scores) / len(scores)

    def best_layer(self, kind: str) -> str:
        """Return the layer where a kind fits best on the samples of choices.

        A random direction that is not chosen is looked at where the random ones are best.
        """
        kind = "random" if kind == "one random" else kind
        return max(self.layers, key=lambda layer: self.selected(layer, kind))

    def best_factor(self) -> str:
        """Return which of the factors' directions fits better on the samples of choices."""
        return max(FACTORS, key=lambda kind: self.selected(self.best_layer(kind), kind))

    def verdict(self, layer: str) -> str:
        """Return in how many sets a background was found, and the mean agreement of detectors."""
        units = self.units[layer]
        known = [unit["agreement"] for unit in units if unit["agreement"] is not None]
        agreement = f", {sum(known) / len(known):.2f}" if known else ""
        return f"{sum(bool(unit['found']) for unit in units)} of {len(units)}{agreement}"

    def values(self, layer: str, kind: str, measure: str) -> Tensor | None:
        """Return a measure ``[S, N]`` by set and sample; None where it was not measured.

        Args:
            layer: The layer.
            kind: Of direction, one of `panda.evaluation.background.directions.METHODS`;
                ``"constant"`` for the IoU of the constant mask; or `BEFORE`.
            measure: Such as ``"iou"``, ``"add seam"`` or ``"paint gone"``.
        """
        units = self.units[layer]
        if kind == "constant":
            return _tensor([unit["constant"] for unit in units])
        if kind == BEFORE:
            return _tensor([unit["before"].get(measure) for unit in units])
        task, _, what = measure.rpartition(" ")
        if what != GONE:
            return _tensor([unit["methods"][kind]["values"].get(measure) for unit in units])
        before = self.values(layer, BEFORE, "area")
        after = self.values(layer, kind, f"{task} area")
        if before is None or after is None:
            return None
        return area_gone(before.flatten(), after.flatten()).view(after.shape)


@dataclass(frozen=True, eq=False)
class Study:
    """A study of several generators.

    Attributes:
        settings: How many of everything.
        generators: The figures of each.
        likenesses: How far their backgrounds are apart in images.
        pictures: Rows of what edits look like (`panda.evaluation.background.pictures`).
    """

    settings: BackgroundSettings
    generators: tuple[Measured, ...]
    likenesses: tuple[Likeness, ...]
    pictures: Sequence[Sequence[Image.Image]] = ()


def _tensor(rows: Sequence[Sequence[float | None] | None]) -> Tensor | None:
    """Return rows of figures as ``[S, N]`` float64, NaN for None; None without any."""
    plain = [[math.nan if v is None else v for v in row] for row in rows if row]
    if len(plain) < len(rows):
        return None
    if len({len(row) for row in plain}) > 1:
        raise PandaError(
            "the sets of seeds of a study have figures of different numbers of samples; delete its"
            " folder to have it made again"
        )
    return torch.tensor(plain, dtype=torch.float64)


def _stability(tensors: Sequence[dict[str, Tensor]], row: int, kind: str) -> Stability:
    cosines, correlations = [], []
    for a, b in itertools.permutations(tensors, 2):
        near = b.get(kind, b["chosen"][row : row + 1])
        cosines.append(float((near @ a["chosen"][row]).abs().max()))
    for a, b in itertools.combinations(tensors, 2):
        pair = [each["maps"][row].flatten(1) for each in (a, b)]
        rows = [each - each.mean(1, keepdim=True) for each in pair]
        size = rows[0].norm(dim=1) * rows[1].norm(dim=1)
        correlations.append(float(((rows[0] * rows[1]).sum(1) / size.clamp_min(1e-12)).mean()))
    return Stability(_spread(cosines), _spread(correlations))


def _spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean, the lowest and the highest."""
    return sum(values) / len(values), min(values), max(values)
