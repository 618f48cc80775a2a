"""Localization and removal in figures: concept maps and removed parts against face parsing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from panda.editing.localize import localize, otsu
from panda.editing.remove import remove
from panda.errors import PandaError
from panda.factorization.factors import Factors
from panda.generators.contract import Generator, State
from panda.generators.seeds import evaluation_seeds, selection_seeds
from panda.metrics.efficientnet import Classifier
from panda.metrics.parsing import CLASSES, FaceParser, mask, share
from panda.metrics.removal import area_gone, class_drop, feature_distance, iou, without
from panda.metrics.roir import SIZE, small
from panda.metrics.summary import mean_and_std
from panda.progress import bar

CONCEPTS = {"background": ("background",), "hair": ("hair",), "skin": ("skin", "nose")}
"""What is localized; for the first one the concept is found automatically."""


@dataclass(frozen=True)
class Batch:
    """Some samples at the factors' layer, their small images and class maps at the same size."""

    state: State
    before: Tensor
    parsed: Tensor


def batches(
    generator: Generator, factors: Factors, parser: FaceParser, seeds: Sequence[int], size: int = 8
) -> list[Batch]:
    """Sample and parse; features are kept, so this is for as many samples as memory allows."""
    found = []
    layer = factors.layer.name
    with bar(total=len(seeds), desc="parse", unit="img") as progress:
        for start in range(0, len(seeds), size):
            chosen = seeds[start : start + size]
            latents = generator.sample(chosen, truncation=generator.usual_truncation)
            state = generator.head(latents, layer)
            before = small(generator.tail(state, layer))
            parsed = F.interpolate(parser(before)[:, None], (SIZE, SIZE), mode="nearest")[:, 0]
            found.append(Batch(state, before, parsed))
            progress.update(len(chosen))
    return found


def localization(
    generator: Generator, factors: Factors, parser: FaceParser, n: int, select: int = 16
) -> dict[str, Any]:
    """Mean and standard deviation over ``n`` images of the IoU of concept maps with parsed classes.

    The background's concept is the automatic one. For the others the appearance and sign that fit
    best on ``select`` other images are taken: the columns of A, and every part's own.
    """
    factors.check(generator)
    chosen = {"background": ("bg", 1.0)}
    learn = batches(generator, factors, parser, selection_seeds(select))
    vectors = _vectors(factors)
    for name in list(CONCEPTS)[1:]:
        scores = {
            (key, sign): _mean(_overlap(factors, one, vector * sign, name) for one in learn)
            for key, vector in vectors.items()
            for sign in (1.0, -1.0)
        }
        chosen[name] = max(scores, key=lambda key: scores[key])
    rows: dict[str, list[Tensor]] = {name: [] for name in CONCEPTS}
    for start in range(0, n, 64):  # a block at a time, so that memory does not grow
        seeds = evaluation_seeds(n)[start : start + 64]
        for one in batches(generator, factors, parser, seeds):
            for name, (key, sign) in chosen.items():
                if key == "bg":
                    _, found = localize(factors, one.state.x, "bg", resolution=SIZE)
                    truth = mask(one.parsed, *CONCEPTS[name])
                    rows[name].append(iou(found, truth))
                else:
                    rows[name].append(_overlap(factors, one, vectors[key] * sign, name))
    return {
        name: {"concept": chosen[name][0], "iou": mean_and_std(torch.cat(values)), "n": n}
        for name, values in rows.items()
    }


def _vectors(factors: Factors) -> dict[str, Tensor]:
    """Directions of appearance worth trying, by name."""
    found = {str(k): factors.appearances[:, k] for k in range(min(32, factors.spread.shape[0]))}
    for part in range(len(factors.own)):
        found |= {f"{part}:p{axis}": factors.own[part, axis] for axis in range(4)}
    return found


def _overlap(factors: Factors, one: Batch, vector: Tensor, name: str) -> Tensor:
    """IoU ``[N]`` of a direction's thresholded map with a concept's classes."""
    maps = torch.einsum("c,nchw->nhw", vector.to(one.state.x), one.state.x)
    maps = F.interpolate(maps[:, None], (SIZE, SIZE), mode="bicubic", align_corners=False)[:, 0]
    level = torch.stack([otsu(row) for row in maps])
    return iou(maps >= level[:, None, None], mask(one.parsed, *CONCEPTS[name]))


def removal(
    generator: Generator,
    factors: Factors,
    parser: FaceParser,
    classifier: Classifier | None,
    what: str,
    n: int,
) -> dict[str, Any]:
    """What removing the parts that cover a class, or ``"object"``, does, over ``n`` images.

    The object is all that face parsing does not call background; without naming parts, it is
    removed where the background's detector sees it. ``gone`` is the share of the parsed area that
    disappears (`area_gone`); ``stays`` is the distance of the classifier's features where the
    object was not; ``class drop`` is the fall of the probability of the class that the whole image
    was. Raises `PandaError` for a class that there is not, and where none of the images that were
    looked at has it.
    """
    if what not in ("object", *CLASSES):
        raise PandaError(f"there is no face class {what!r}; valid: object, {', '.join(CLASSES)}")
    factors.check(generator)
    classes: tuple[str, ...] = CLASSES[1:]
    parts = None
    if what != "object":
        learn = batches(generator, factors, parser, selection_seeds(8))
        classes = (what,)
        parts = covering(factors, torch.cat([one.parsed for one in learn]), what)
    areas: list[Tensor] = []
    rows: dict[str, list[Tensor]] = {"stays": [], "class drop": []}
    seeds = evaluation_seeds(n)
    for start in range(0, n, 64):
        for one in batches(generator, factors, parser, seeds[start : start + 64]):
            x = remove(factors, one.state.x, parts)
            after = small(generator.tail(one.state.with_features(x), factors.layer.name))
            parsed = one.parsed, parser(after)
            areas.append(torch.stack([share(each, *classes) for each in parsed]))
            if classifier is not None:
                inside = mask(one.parsed, *classes)
                kept = [classifier(without(image, inside))[1] for image in (one.before, after)]
                rows["stays"].append(feature_distance(*kept))
                seen = [classifier(image)[0] for image in (one.before, after)]
                rows["class drop"].append(class_drop(*seen))
    gone = mean_and_std(area_gone(*torch.cat(areas, 1)))
    figures = {name: mean_and_std(torch.cat(values)) for name, values in rows.items() if values}
    return {"what": what, "parts": parts, "n": n, "gone": gone, **figures}


def covering(factors: Factors, parsed: Tensor, what: str) -> list[int]:
    """The parts most of whose mask lies on a class, or else the one that lies on it most."""
    inside = mask(parsed, what).float().mean(0)[None, None]
    if not bool(inside.any()):
        raise PandaError(f"none of the images that were looked at has any {what}")
    size = (factors.layer.height, factors.layer.width)
    where = F.interpolate(inside, size, mode="area")[0, 0].to(factors.masks)
    shares = (factors.masks * where).sum((1, 2)) / factors.masks.sum((1, 2))
    parts = (shares >= 0.5 * where.max()).nonzero()[:, 0].tolist()
    return parts or [int(shares.argmax())]


def _mean(values: Any) -> float:
    return mean_and_std(torch.cat(list(values)))[0]
