"""Removal in figures: what is gone of an object, and what stays of everything else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from panda.editing.remove import remove
from panda.errors import PandaError
from panda.evaluation.parsed import ParsedBatch, check_fits, parsed_batches
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
    fits: Sequence[Factors],
    parser: FaceParser,
    classifier: Classifier | None,
    what: str,
    n: int,
) -> dict[str, Any]:
    """Measure what removing a face class, or the whole object, does.

    Args:
        generator: The generator of the factors.
        fits: Whose parts are removed: factors of one layer, such as of disjoint sets of seeds.
        parser: Says where the class is, before and after.
        classifier: Sees what stays; None leaves its figures out.
        what: A face class, whose covering parts are removed; or ``"object"``, all that face parsing
            does not call background, which is removed where the background's detector sees it.
        n: The number of images.

    Returns:
        ``"what"``, the ``"parts"`` that were removed of each fit (None for the object), ``"n"``,
        and as mean over images and fits and half of its 95 % interval over both: ``"gone"``, the
        share of the parsed area that disappears (`panda.metrics.removal.area_gone`); ``"seam"``,
        the jump of color that is left along its border, and ``"seam before"``; ``"texture"``, how
        much fine detail its place has afterwards, beside what is around; ``"damage"``, the change
        of color everywhere else, away from the border; ``"stays"``, the distance of the
        classifier's features where the object was not; ``"class drop"``, the fall of the
        probability of the class that the whole image was.

    Raises:
        PandaError: For a class that parsing does not know, where none of the images has it, and
            where the factors are of another generator or of several layers.
    """
    if what not in ("object", *CLASSES):
        raise PandaError(f"there is no face class {what!r}; valid: object, {', '.join(CLASSES)}")
    n = as_count(n, "images")
    first = check_fits(generator, fits)
    classes: tuple[str, ...] = CLASSES[1:]
    parts: list[list[int]] | None = None
    if what != "object":
        batches = parsed_batches(generator, first, parser, selection_seeds(SELECTED))
        parsed = torch.cat([batch.parsed for batch in batches])
        classes = (what,)
        parts = [covering(factors, parsed, what) for factors in fits]
    rows: dict[str, list[Tensor]] = defaultdict(list)
    for batch in parsed_batches(generator, first, parser, evaluation_seeds(n)):
        found: dict[str, list[Tensor]] = defaultdict(list)
        for index, factors in enumerate(fits):
            x = remove(factors, batch.state.x, parts and parts[index])
            after = small(generator.tail(batch.state.with_features(x), first.layer.name))
            for name, values in _figures(batch, after, classes, parser, classifier).items():
                found[name].append(values)
        for name, each in found.items():
            rows[name].append(torch.stack(each))
    figures = {name: torch.cat(values, 1) for name, values in rows.items()}  # [fits, N]
    shares = zip(figures.pop("before"), figures.pop("after"), strict=True)
    gone = torch.stack([area_gone(before, after) for before, after in shares])
    figures = {"gone": gone, **figures}
    estimates = {name: estimate(values) for name, values in figures.items()}
    return {"what": what, "parts": parts, "n": n, **estimates}


def _figures(
    batch: ParsedBatch,
    after: Tensor,
    classes: tuple[str, ...],
    parser: FaceParser,
    classifier: Classifier | None,
) -> dict[str, Tensor]:
    """Return the figures of a removal, ``[N]`` each, and the shares of the classes in the images.

    Args:
        batch: The samples before it.
        after: Their images after it, ``[N, 3, h, w]``.
        classes: What was removed.
        parser: Says where these are.
        classifier: Sees what stays; None leaves its figures out.
    """
    inside = mask(batch.parsed, *classes)
    images = batch.before, after
    figures = {
        "before": share(batch.parsed, *classes),
        "after": share(parser(after), *classes),
        **traces(*images, inside),
    }
    if classifier is not None:
        features = [classifier(without(image, inside))[1] for image in images]
        figures["stays"] = feature_distance(*features)
        figures["class drop"] = class_drop(*(classifier(image)[0] for image in images))
    return figures


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
