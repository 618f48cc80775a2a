"""Removal in figures: what is gone of an object, and what stays of everything else."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from panda.editing.remove import remove
from panda.errors import PandaError
from panda.evaluation.parsed import parsed_batches
from panda.factorization.factors import Factors
from panda.generators.contract import Generator
from panda.generators.seeds import as_count, evaluation_seeds, selection_seeds
from panda.metrics.efficientnet import Classifier
from panda.metrics.parsing import CLASSES, FaceParser, mask, share
from panda.metrics.removal import area_gone, class_drop, feature_distance, traces, without
from panda.metrics.roir import small
from panda.metrics.summary import estimate

SELECTED = 8
"""Images on which the parts that cover a class are chosen."""


def measure_removal(
    generator: Generator,
    factors: Factors,
    parser: FaceParser,
    classifier: Classifier | None,
    what: str,
    n: int,
) -> dict[str, Any]:
    """Measure what removing a face class, or the whole object, does.

    Args:
        generator: The generator of the factors.
        factors: Whose parts are removed.
        parser: Says where the class is, before and after.
        classifier: Sees what stays; None leaves its figures out.
        what: A face class, whose covering parts are removed; or ``"object"``, all that face parsing
            does not call background, which is removed where the background's detector sees it.
        n: The number of images.

    Returns:
        ``"what"``, the ``"parts"`` that were removed (None for the object), ``"n"``, and as mean
        over the images and half of its 95 % interval: ``"gone"``, the share of the parsed area that
        disappears (`panda.metrics.removal.area_gone`); ``"seam"``, the jump of color that is left
        along its border, and ``"seam before"``; ``"texture"``, how much fine detail its place has
        afterwards, beside what is around; ``"damage"``, the change of color everywhere else, away
        from the border; ``"stays"``, the distance of the classifier's features where the object was
        not; ``"class drop"``, the fall of the probability of the class that the whole image was.

    Raises:
        PandaError: For a class that parsing does not know, where none of the images has it, and
            where the factors are of another generator.
    """
    if what not in ("object", *CLASSES):
        raise PandaError(f"there is no face class {what!r}; valid: object, {', '.join(CLASSES)}")
    n = as_count(n, "images")
    factors.check(generator)
    classes: tuple[str, ...] = CLASSES[1:]
    parts = None
    if what != "object":
        batches = parsed_batches(generator, factors, parser, selection_seeds(SELECTED))
        classes = (what,)
        parts = covering(factors, torch.cat([batch.parsed for batch in batches]), what)
    areas: list[Tensor] = []
    rows: dict[str, list[Tensor]] = defaultdict(list)
    for batch in parsed_batches(generator, factors, parser, evaluation_seeds(n)):
        x = remove(factors, batch.state.x, parts)
        after = small(generator.tail(batch.state.with_features(x), factors.layer.name))
        parsed = batch.parsed, parser(after)
        areas.append(torch.stack([share(maps, *classes) for maps in parsed]))
        images = batch.before, after
        inside = mask(batch.parsed, *classes)
        for name, values in traces(*images, inside).items():
            rows[name].append(values)
        if classifier is not None:
            features = [classifier(without(image, inside))[1] for image in images]
            rows["stays"].append(feature_distance(*features))
            rows["class drop"].append(class_drop(*(classifier(image)[0] for image in images)))
    gone = estimate(area_gone(*torch.cat(areas, 1)))
    figures = {name: estimate(torch.cat(values)) for name, values in rows.items()}
    return {"what": what, "parts": parts, "n": n, "gone": gone, **figures}


def covering(factors: Factors, parsed: Tensor, what: str) -> list[int]:
    """Return the parts most of whose mask lies on a class, or else the one that lies on it most.

    Args:
        factors: Whose parts are chosen.
        parsed: Class maps ``[N, H, W]``.
        what: The class.

    Raises:
        PandaError: Where no map has the class.
    """
    inside = mask(parsed, what).float().mean(0)[None, None]
    if not bool(inside.any()):
        raise PandaError(f"none of the images that were looked at has any {what}")
    masks = factors.masks
    where = F.interpolate(inside, masks.shape[1:], mode="area")[0, 0].to(masks)
    shares = (masks * where).sum((1, 2)) / masks.sum((1, 2)).clamp_min(1e-9)
    parts = (shares >= 0.5 * where.max()).nonzero()[:, 0].tolist()
    return parts or [int(shares.argmax())]
