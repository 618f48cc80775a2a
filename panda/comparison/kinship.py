"""Whether the classes of one generator share a background appearance: they share its features."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional as F

from panda.comparison.plan import Plan
from panda.comparison.results import Analyzed, Kinship
from panda.comparison.store import ComparisonFolder
from panda.factorization.factors import Factors


def kin(store: ComparisonFolder, plan: Plan, found: Sequence[Analyzed]) -> list[Kinship]:
    """Compare the background appearances of each generator that is there with several classes.

    Raises `PandaError` where factors in the store are damaged.
    """
    kinships = []
    for level in plan.levels:
        families: dict[str, list[Analyzed]] = {}
        for one in found:
            if one.at(level) is not None:
                families.setdefault(one.generator, []).append(one)
        for generator, members in families.items():
            if len(members) < 2:
                continue
            folders = [store.level(one.entry, level) / "factors" for one in members]
            vectors = torch.stack([Factors.load(folder).background for folder in folders])
            unit = F.normalize(vectors.double(), dim=1)
            likeness = tuple(tuple(row) for row in (unit @ unit.mT).tolist())
            labels = tuple(one.label for one in members)
            kinships.append(Kinship(level, generator, labels, likeness))
    return kinships
