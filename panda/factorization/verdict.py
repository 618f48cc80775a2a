"""Whether a layer has a background that can be found, without labels.

Where there is none, clusters of features fill the corners by chance, and other samples give another
detector. So the detectors of disjoint sets of samples have to agree about where background is, and
it has to cover the corners that it was looked for in.

On four generators of faces, at 8 and 16 positions a side, detectors of sets of 16 samples correlate
by 0.89 to 0.99. They do by 0.3 to 0.75 on faces cropped so tightly that 5 % of an image is
background, and by -0.2 to 0.6 on painted eyes that fill it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from panda.factorization.background import BORDERS, Background, find_background
from panda.factorization.thresholds import otsu

SETS = 4
"""The disjoint sets of samples whose detectors are compared."""

LEAST, MOST = 32, 64
"""From fewer samples there is no verdict; of more, the first ones decide."""

AGREEMENT = 0.8
"""The least correlation of two detectors, on average over all pairs of sets."""

POINTS = 2048
"""The number of positions of a set that k-means sees."""

COVERED = 0.5
"""The least share of the place it was looked for in that background covers."""


@dataclass(frozen=True)
class Verdict:
    """What speaks for a background.

    Attributes:
        agreement: How detectors of disjoint sets of samples correlate, on average; 0 without any.
        covered: The share of the place that it was looked for in that is background.
    """

    agreement: float
    covered: float

    @property
    def found(self) -> bool:
        """Whether there is a background."""
        return self.agreement >= AGREEMENT and self.covered >= COVERED

    @property
    def reason(self) -> str:
        """Why none was found, in words; empty where one was."""
        if self.agreement < AGREEMENT:
            return (
                "detectors from disjoint sets of samples disagree about where it is (correlation"
                f" {self.agreement:.2f}, at least {AGREEMENT:g} is asked)"
            )
        if self.covered < COVERED:
            return (
                f"what detectors agree on covers {self.covered:.0%} of where it was looked for (at"
                f" least {COVERED:.0%} is asked)"
            )
        return ""

    def facts(self) -> dict[str, Any]:
        """Return what config.json keeps."""
        return {"found": self.found, "agreement": self.agreement, "covered": self.covered}

    @classmethod
    def of_facts(cls, facts: object) -> Verdict | None:
        """Read what config.json keeps; None where it says nothing, as for few samples.

        Raises:
            TypeError: Where it is something else.
        """
        if facts is None:
            return None
        if isinstance(facts, Mapping) and facts.get("border", BORDERS[0]) in BORDERS:
            if facts.keys().isdisjoint(("found", "agreement", "covered")):
                return None
            figures: list[Any] = [facts.get("agreement"), facts.get("covered")]
            if all(type(each) in (int, float) and -1 <= each <= 1 for each in figures):
                return cls(*map(float, figures))
        raise TypeError(f"background is {facts!r:.200}, expected what a fit says of it")


def judge(
    features: Tensor, maps: Tensor | None, background: Background, place: Tensor
) -> Verdict | None:
    """Tell whether a background was found; None from too few samples to tell.

    Args:
        features: Those of samples, as `find_background` takes them.
        maps: Likewise.
        background: What was found.
        place: Where it was looked for, ``[h, w]`` bool.
    """
    features = features[:MOST]
    if len(features) < LEAST:
        return None

    def coordinates(detector: Tensor) -> Tensor:
        rows = torch.einsum("c,nck->nk", detector, features.flatten(2))
        return rows if maps is None else rows @ maps.flatten(1)

    size = len(features) // SETS
    small = torch.einsum("ca,nck->nak", background.axes, features.flatten(2))
    if maps is None:
        small = small.view(len(small), -1, *features.shape[2:])
    sets = [small[i * size : (i + 1) * size] for i in range(SETS)]
    detectors = [find_background(some, maps, place, POINTS).detector for some in sets]
    seen = [coordinates(background.axes @ detector).flatten() for detector in detectors]
    if not all(bool(row.std() > 0) for row in seen):
        return Verdict(0.0, 0.0)
    pairs = torch.corrcoef(torch.stack(seen).double())[torch.triu_indices(SETS, SETS, 1).unbind()]
    found = coordinates(background.detector)
    covered = torch.stack([(row >= otsu(row))[place.flatten()].float().mean() for row in found])
    return Verdict(round(float(pairs.mean()), 4), round(float(covered.mean()), 4))
