"""A comparison as tables: for people to paste (Markdown), and for the report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import torch

from panda.comparison.plan import Plan
from panda.comparison.results import (
    BackgroundSimilarity,
    Comparison,
    Depth,
    GeneratorResult,
    Level,
    Match,
    Matching,
)
from panda.factorization.verdict import AGREEMENT, COVERED
from panda.generators.entries import Entry
from panda.metrics.summary import Estimate, estimate
from panda.report.table import Table
from panda.shapes import CHANNELS, size_text


def tables(comparison: Comparison) -> list[Table]:
    """Return every table that has rows, from what was compared to what failed."""
    every = [generators(comparison)]
    for level in comparison.plan.levels:
        every += [at_level(comparison, level), localized(comparison, level)]
    every += [*background(comparison), *(matched(matching) for matching in comparison.matchings)]
    if comparison.failures:
        every.append(failures(comparison))
    return [table for table in every if table.rows]


def markdown(comparison: Comparison) -> str:
    """Return all tables under one heading, with the plan."""
    body = "\n".join(table.to_markdown() for table in tables(comparison))
    title = f"# Comparison of {len(comparison.generators)} generators"
    return f"{title}\n\n{describe(comparison.plan)}\n\n{body}"


def describe(plan: Plan) -> str:
    """Return the plan in a sentence or two."""
    levels = ", ".join(f"1/{level}" for level in plan.levels)
    return (
        f"The same for each: layers at {levels} of the image's height, {plan.samples} samples a fit"
        f" (seeds 0 to {plan.samples - 1}), {plan.parts} parts, all channels; measured on"
        f" {plan.scored} samples that no fit saw."
    )


def generators(comparison: Comparison) -> Table:
    """Return what was compared, and the time it took."""
    rows = [
        (
            result.name,
            result.architecture,
            result.dataset,
            _pixels(result),
            ", ".join(f"{level.layer} ({level.size})" for level in result.levels),
            _faces(result),
            f"{result.seconds:.0f}",
            "; ".join([*(f"no layer near 1/{k}" for k in result.absent), *_notes(result)]) or "-",
        )
        for result in comparison.generators
    ]
    header = ("generator", "architecture", "data", "pixels", "layers (height)", "faces parsed", "s")
    about = (
        "Layers are matched by their height over the image's. Whole: with both eyes, nose and"
        f" mouth, of {comparison.plan.selected} samples. s: seconds of the whole analysis."
    )
    return Table((*header, "notes"), rows, "Generators", about)


def _faces(result: GeneratorResult) -> str:
    """Return whether faces are parsed, and the share of whole ones."""
    if not result.faces:
        return "no"
    return "yes" if result.whole is None else f"yes, {result.whole:.0%} whole"


def _notes(result: GeneratorResult) -> Iterator[str]:
    yield from result.notes
    for level in result.levels:
        yield from (f"1/{level.level}: {note}" for note in level.notes)


Column = tuple[str, Callable[[Level], str]]
"""The title of a column, and what makes its cell of a level."""


def at_level(comparison: Comparison, level: int) -> Table:
    """Return all figures at one level, a row a generator, without columns that nobody has."""
    results = [(r.name, at) for r in comparison.generators if (at := r.at(level)) is not None]
    columns: list[Column] = [
        ("layer", lambda at: at.layer),
        ("side", lambda at: str(at.size)),
        ("channels", lambda at: str(at.channels)),
        ("loss", lambda at: f"{at.loss:.4f}"),
        ("fit, s", lambda at: f"{at.seconds['sampling'] + at.seconds['solving']:.1f}"),
        ("edit inside / outside", lambda at: _ratio(at)),
        ("removed: change inside", lambda at: fine(at.removal.inside if at.removal else None)),
        ("outside", lambda at: fine(at.removal.outside if at.removal else None)),
        ("face gone", lambda at: pair(at.removal.gone if at.removal else None)),
        ("seam", lambda at: fine(at.removal.seam if at.removal else None)),
        ("damage", lambda at: fine(at.removal.damage if at.removal else None)),
    ]
    for name in _names(at.hair for _, at in results):
        columns.append((f"hair: {name}", lambda at, k=name: pair(at.hair.get(k))))  # type: ignore[misc]
    for name in _names(at.scores for _, at in results):
        columns.append((name, lambda at, k=name: _number(at.scores.get(k))))  # type: ignore[misc]
    header = ("generator", *(title for title, _ in columns))
    rows = [(name, *(make(at) for _, make in columns)) for name, at in results]
    about = (
        "loss: share of the features' energy that the factors leave. Edits: mean change of pixels"
        " inside the part over that outside. Removed: its surroundings go on where the object was;"
        " changes are shares of the range. Gone: the share of the parsed area of all samples"
        f" together. Seam: the jump of color that is left along its border. Damage: the change of"
        f" color in the parsed background. {PLUS_MINUS}"
    )
    return Table(*_used(header, rows), f"At 1/{level} of the image", about)


def localized(comparison: Comparison, level: int) -> Table:
    """Return how well concepts are localized at one level, beside what no factorization made."""
    rows = [
        (
            *(result.name, name, facts.concept, pair(facts.iou), pair(facts.constant)),
            *(pair(facts.components), pair(facts.random), fine(facts.gain, "+")),
            fine(facts.lead, "+"),
            "yes" if min(x - half for x, half in (facts.gain, facts.lead)) > 0 else "no",
        )
        for result in comparison.generators
        if (at := result.at(level)) is not None
        for name, facts in at.localization.items()
    ]
    header = ("generator", "class", "concept", *BASELINES, "knows more")
    about = (
        "IoU of the thresholded map of a concept with the parsed class: of the appearance (of the"
        " background, its detector), of the constant mask, the principal component and the random"
        " direction that fit best on other samples, as the appearance does. Knows more: whether the"
        f" first is above the constant mask and the principal component. {PLUS_MINUS}"
    )
    return Table(header, rows, f"Where concepts are at 1/{level}", about)


def background(comparison: Comparison) -> list[Table]:
    """Return all about background factors: the best layers, classes, and last every layer."""
    between = map(similarity, comparison.similarities)
    return [at_a_glance(comparison), *between, depths(comparison)]


CHOSEN = "by IoU, or by contrast without faces, on other samples"

PLUS_MINUS = "± is half of the 95 % interval."

BASELINES = (
    *("IoU", "constant mask", "principal component", "random direction"),
    *("over the constant mask", "over the component"),
)

MEASURES = (
    *("layer", "side", "of the image", "share", "contrast", "agreement"),
    *(*BASELINES, "verdict"),
)
"""Columns about the background of a layer."""


def _pixels(result: GeneratorResult) -> str:
    """Return height and width of a generator's images, and their kind where it is not RGB."""
    kind = "" if result.channels == 3 else f" {CHANNELS[result.channels]}"
    return f"{size_text(result.size)}{kind}"


def _measured(result: GeneratorResult, depth: Depth) -> tuple[str, ...]:
    """Return the `MEASURES` of a layer."""
    part = f"1/{result.size[0] / depth.size:g}"
    agreement = "-" if depth.agreement is None else f"{depth.agreement:.2f}"
    return (
        *(depth.layer, str(depth.size), part, fine(depth.share), fine(depth.contrast, "+")),
        *(agreement, pair(depth.iou), pair(depth.constant), pair(depth.components)),
        *(pair(depth.random), fine(depth.gain, "+"), fine(depth.lead, "+"), depth.verdict or "-"),
    )


def at_a_glance(comparison: Comparison) -> Table:
    """Return the layer that carries background best, and removal, a row a generator."""
    levels, rows = comparison.plan.levels, []
    for result in comparison.generators:
        best = carrier(result)
        row = [result.name, *(_measured(result, best) if best else ["-"] * len(MEASURES))]
        for at in map(result.at, levels):
            row += ["-", "-"] if at is None else _removed(at)
        rows.append(tuple(row))
    removed = [f"{what}, 1/{k}" for k in levels for what in ("face gone", "inside / outside")]
    about = (
        f"The layer that carries background best ({CHOSEN}), and what removal of the whole object"
        " does at each level: the share of the parsed face that is gone, and the change of pixels"
        f" inside and outside of it. {PLUS_MINUS}"
    )
    header = ("generator", f"best {MEASURES[0]}", *MEASURES[1:], *removed)
    return Table(*_used(header, rows), "Background at a glance", about)


def _removed(at: Level) -> list[str]:
    """Return what removal of the whole object does: the face gone, change inside and outside."""
    if at.removal is None:
        return ["no background", "-"]
    inside, outside = at.removal.inside[0], at.removal.outside[0]
    return [pair(at.removal.gone), f"{inside:.2f} / {outside:.2f}"]


def depths(comparison: Comparison) -> Table:
    """Return how much of background each layer has, for one layer of each size."""
    rows = []
    for result in comparison.generators:
        for depth in result.depths:
            *figures, verdict = _measured(result, depth)
            star = " *" if depth is carrier(result) else ""
            rows.append((result.name, *figures, verdict + star))
    about = (
        "share: of the variance of features, what lies along the background appearance. contrast:"
        " standard deviations by which its detector's coordinate is higher on the border than"
        " elsewhere. agreement: the correlation of detectors from disjoint sets of samples. IoU: of"
        " that map, thresholded, with parsed background; and that of the constant mask, of the"
        " principal component and of the random direction that fit best on other samples. verdict:"
        f" a background has an agreement of at least {AGREEMENT:g}, and covers {COVERED:.0%} of the"
        f" corners. *: the layer that carries it best ({CHOSEN}). ± is half of the 95 % interval"
        " over samples, and over disjoint sets of samples in which background was looked for."
    )
    return Table(("generator", *MEASURES), rows, "Background at every depth", about)


def similarity(classes: BackgroundSimilarity) -> Table:
    """Return how similar the background appearances of a generator's classes are."""
    names = [
        "all classes" if label is None else Entry(classes.generator, label).label_name
        for label in classes.labels
    ]
    rows = [
        (name, *(f"{value:.2f}" for value in row))
        for name, row in zip(names, classes.cosines, strict=True)
    ]
    about = (
        "Cosines between the background appearances of two classes, which share their features:"
        " 1 is the same direction, and unrelated ones are near 0."
    )
    title = f"Background of the classes of {Entry(classes.generator).name} at 1/{classes.level}"
    return Table(("class", *names), rows, title, about)


def carrier(result: GeneratorResult) -> Depth | None:
    """Return the layer that carries background best (`Depth.selected`); None without one."""
    found = [depth for depth in result.depths if depth.verdict in ("found", "")]
    return max(found, key=lambda depth: depth.selected, default=None)


def matched(matching: Matching) -> Table:
    """Return which part of each generator a row is, and how similar."""
    names = [matching.reference, *(k for k in matching.left if k != matching.reference)]
    rows = [
        (
            f"{index}: {row.name}",
            *(cell(row.matches.get(name), matching, name) for name in names),
            f"{row.similarity:.2f}",
        )
        for index, row in enumerate(matching.rows)
    ]
    if matching.kind == "parts":
        left = tuple(", ".join(map(str, matching.left[name])) or "-" for name in names)
        rows.append(("left over", *left, ""))
    about = (
        f"Rows are those of {matching.reference}, which is most like the others. A number is the"
        " part or appearance that was assigned, in brackets the correlation of their maps"
        + (" in the image." if matching.kind == "parts" else " of changed colors.")
    )
    title = f"Matched {matching.kind} at 1/{matching.level}"
    return Table((matching.kind[:-1], *names, "mean"), rows, title, about)


def cell(match: Match | None, matching: Matching, name: str) -> str:
    """Return what a generator has for a row, in a few words."""
    if match is None:
        return "lacks"
    if name == matching.reference:
        return str(match.index)
    if match.verdict == "splits":
        return f"splits into {' + '.join(map(str, match.pieces))}"
    if match.verdict == "lacks":
        return f"lacks (nearest {match.index}, {match.similarity:.2f})"
    return f"{match.index} ({match.similarity:.2f})"


def failures(comparison: Comparison) -> Table:
    """Return what could not be compared, and why."""
    rows = [(failure.name, failure.reason) for failure in comparison.failures]
    about = "The same command tries these again."
    return Table(("generator", "reason"), rows, "Failed", about)


def pair(values: Estimate | None) -> str:
    """Return such as ``0.83 ± 0.05``, or ``-``."""
    return "-" if values is None else f"{values[0]:.2f} ± {values[1]:.2f}"


def fine(values: Estimate | None, sign: str = "") -> str:
    """Return such as ``0.832 ± 0.052``, or ``-``; with ``"+"`` a sign before it."""
    return "-" if values is None else f"{values[0]:{sign}.3f} ± {values[1]:.3f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _ratio(level: Level) -> str:
    """Return the mean over edits of the change inside over that outside, with its interval."""
    values = [a.inside / a.outside for a in level.appearances if a.outside > 0]
    if not values:
        return "-"
    mean, half = estimate(torch.tensor(values))
    return f"{mean:.1f} ± {half:.1f}"


def _used(
    header: tuple[str, ...], rows: Sequence[tuple[str, ...]]
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return header and rows without the columns in which nobody has anything."""
    used = [k for k in range(len(header)) if any(row[k] != "-" for row in rows)]
    return tuple(header[k] for k in used), [tuple(row[k] for k in used) for row in rows]


def _names(figures: Iterable[Mapping[str, object]]) -> list[str]:
    """Return the names of figures that any generator has, in order."""
    return list(dict.fromkeys(name for facts in figures for name in facts))
