"""Whether the classes of one generator share a background appearance: they share its features."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional as F

from panda.comparison.plan import Plan
from panda.comparison.results import BackgroundSimilarity, GeneratorResult
from panda.comparison.store import ComparisonFolder


def background_similarities(
    folder: ComparisonFolder, plan: Plan, results: Sequence[GeneratorResult]
) -> list[BackgroundSimilarity]:
    """Compare the background appearances of each generator that has several classes in ``results``.

    Classes without a background are left out.

    Raises:
        PandaError: Where factors in the folder are damaged.
    """
    similarities = []
    for level in plan.levels:
        classes: dict[str, list[GeneratorResult]] = {}
        for result in results:
            if result.at(level) is not None:
                classes.setdefault(result.generator, []).append(result)
        for generator, members in classes.items():
            if len(members) < 2:
                continue
            factors = {member.label: folder.factors(member.entry, level) for member in members}
            found = {label: each for label, each in factors.items() if each.has_background}
            if len(found) < 2:
                continue
            vectors = torch.stack([each.background for each in found.values()])
            unit = F.normalize(vectors.double(), dim=1)
            cosines = tuple(tuple(row) for row in (unit @ unit.mT).tolist())
            labels = tuple(found)
            similarities.append(BackgroundSimilarity(level, generator, labels, cosines))
    return similarities
