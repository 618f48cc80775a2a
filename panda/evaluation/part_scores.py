"""How well the masks of a division are classes: matched on some samples, scored on others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from panda.errors import PandaError
from panda.evaluation.classes import MAP, ClassMaps
from panda.evaluation.divisions import CONTROLS
from panda.files.json_lines import read_json
from panda.metrics.meaning import Overlap, best_fixed, match, matched, overlap
from panda.metrics.summary import Estimate, estimate
from panda.naming.names import GROUPS

SCORES = "scores.json"

FIXED = "best fixed masks"
"""A mask for each class, the same in all images: the ceiling of what no image changes."""


SEGMENTS = "segments"
"""Each position is of the part that is strongest there: parts without their soft rims, which can
be compared with controls that have none."""


JOINED = {SEGMENTS: "joined segments", "clusters": "joined clusters", "grid": "joined cells"}
"""All masks that lie mostly in a class stand for it together, however many they are."""


@dataclass(frozen=True)
class ClassScore:
    """One class and the part that stands for it.

    Attributes:
        part: Its number, or that of the class for `JOINED` and `FIXED`; None where none is left.
        score: The harmonic mean of purity and coverage, over images.
        purity: Mean.
        coverage: Mean.
    """

    part: int | None
    score: Estimate
    purity: float
    coverage: float


@dataclass(frozen=True)
class DivisionScore:
    """How well one division of a layer is the classes.

    Attributes:
        kind: One of `panda.evaluation.divisions.KINDS` or ``CONTROLS``, `SEGMENTS`, `JOINED` or
            `FIXED`.
        count: The number of masks.
        score: The mean over the classes of an image, over images.
        chosen: The same on the images on which parts and classes were matched.
        purity: Mean over classes that have a part.
        coverage: Mean over all classes.
        classes: By name.
        layer: The layer's name; none for `FIXED`.
        side: Its positions from top to bottom of the image.
        loss: Of the factors; None without any.
        stability: Of the least stable part, likewise.
    """

    kind: str
    count: int
    score: Estimate
    chosen: float
    purity: float
    coverage: float
    classes: Mapping[str, ClassScore]
    layer: str = ""
    side: int = 0
    loss: float | None = None
    stability: float | None = None


def score_division(
    kind: str, chosen: Overlap, scored: Overlap, selection: ClassMaps, evaluation: ClassMaps
) -> DivisionScore:
    """Match masks and classes on the selection, and score them on the evaluation."""
    columns = selection.common
    means = _mean(chosen.score[:, :, columns], selection.present[:, columns])
    masks = match(means)
    return _figures(kind, masks, chosen, scored, selection, evaluation)


def _mean(scores: Tensor, present: Tensor) -> Tensor:
    """Return the mean scores ``[R, C]`` over the images that have a class."""
    weights = present[:, None].double()
    return (scores * weights).sum(0) / weights.sum(0)


def _figures(
    kind: str,
    masks: Sequence[int | None],
    chosen: Overlap,
    scored: Overlap,
    selection: ClassMaps,
    evaluation: ClassMaps,
) -> DivisionScore:
    """Return the scores of masks that stand for the common classes."""
    columns = selection.common
    names = [name for k, name in enumerate(GROUPS) if k in columns]

    def of(values: Tensor, classes: ClassMaps) -> Tensor:
        return matched(values[:, :, columns], masks, classes.present[:, columns])

    score, purity, coverage = (
        of(values, evaluation) for values in (scored.score, scored.purity, scored.coverage)
    )
    by_class = {
        name: ClassScore(
            masks[k],
            estimate(score[:, k]),
            float(purity[:, k].nanmean()),
            float(coverage[:, k].nanmean()),
        )
        for k, name in enumerate(names)
        if bool(score[:, k].isfinite().any())
    }
    pure = [each.purity for each in by_class.values() if each.part is not None]
    return DivisionScore(
        kind,
        len(masks),
        estimate(score.nanmean(1)),
        float(of(chosen.score, selection).nanmean(1).nanmean()),
        sum(pure) / len(pure),
        sum(each.coverage for each in by_class.values()) / len(by_class),
        by_class,
    )


def fixed(selection: ClassMaps, evaluation: ClassMaps) -> DivisionScore:
    """Return the score of a mask for each class, learned on one set and scored on the other."""
    columns = selection.common
    masks = best_fixed(selection.maps[:, columns], selection.present[:, columns])[None]
    chosen, scored = (overlap(masks, classes.maps) for classes in (selection, evaluation))
    return _figures(FIXED, range(len(columns)), chosen, scored, selection, evaluation)


def segments(
    row: DivisionScore, masks: Tensor, selection: ClassMaps, evaluation: ClassMaps
) -> list[DivisionScore]:
    """Return the scores of parts that are made `SEGMENTS`, and of these or of controls `JOINED`.

    Args:
        row: The scores of parts, or of a control.
        masks: Their masks ``[R, h, w]``.
        selection: The samples to match on.
        evaluation: Those to score on.
    """
    full = F.interpolate(masks[None], (MAP, MAP), mode="bilinear", align_corners=False)
    hard = ((full == full.amax(1, keepdim=True)) & (full > 0)).float()  # some are of no part
    chosen, scored = (overlap(hard, each.maps) for each in (selection, evaluation))
    found = []
    if row.kind not in CONTROLS:  # which have no rims
        found.append(score_division(SEGMENTS, chosen, scored, selection, evaluation))
    columns = selection.common
    share, mostly = chosen.purity.mean(0)[:, columns].max(1)  # the class of each mask
    owned = [((mostly == k) & (share > 0)).nonzero().flatten() for k in range(len(columns))]
    unions = torch.stack([hard[0, of].amax(0) if len(of) else hard[0, 0] * 0 for of in owned])
    before, after = (overlap(unions[None], each.maps) for each in (selection, evaluation))
    known = [k if len(of) else None for k, of in enumerate(owned)]
    joined = JOINED[row.kind if row.kind in CONTROLS else SEGMENTS]
    found.append(_figures(joined, known, before, after, selection, evaluation))
    same = {key: getattr(row, key) for key in ("layer", "side", "count", "loss", "stability")}
    return [replace(each, **same) for each in found]


def read_scores(folder: Path) -> Iterator[DivisionScore]:
    """Yield the scores of a layer; raise `PandaError` where they are damaged."""
    file, remedy = folder / SCORES, f"delete {folder} to have it made again"
    content = read_json(file, "scores of parts", remedy)
    try:
        for row in content["scores"]:
            yield _decode(row)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise PandaError(f"{file} is damaged ({error!r:.200}); {remedy}") from error


def _decode(row: Mapping[str, Any]) -> DivisionScore:
    classes = {
        name: ClassScore(
            None if facts["part"] is None else int(facts["part"]),
            _estimate(facts["score"]),
            float(facts["purity"]),
            float(facts["coverage"]),
        )
        for name, facts in row["classes"].items()
        if name in GROUPS
    }
    numbers = {key: float(row[key]) for key in ("chosen", "purity", "coverage")}
    loss, stability = (None if row[k] is None else float(row[k]) for k in ("loss", "stability"))
    return DivisionScore(
        kind=str(row["kind"]),
        count=int(row["count"]),
        score=_estimate(row["score"]),
        classes=classes,
        layer=str(row["layer"]),
        side=int(row["side"]),
        loss=loss,
        stability=stability,
        **numbers,
    )


def _estimate(values: Sequence[float]) -> Estimate:
    mean, half = map(float, values)
    return mean, half
