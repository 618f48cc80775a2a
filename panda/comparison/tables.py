"""A comparison as tables: for people to paste (Markdown), and for the report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from panda.comparison.plan import Plan
from panda.comparison.results import Analyzed, Comparison, Depth, Level, Match, Matching, Moments


@dataclass(frozen=True)
class Table:
    """A title, a line that says what the figures are, a head and rows of text."""

    title: str
    about: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        """The table in Markdown, with its title and line."""
        lines = [self.head, tuple("---" for _ in self.head), *self.rows]
        text = "\n".join("| " + " | ".join(map(_plain, line)) + " |" for line in lines)
        return f"### {self.title}\n\n{self.about}\n\n{text}\n"


def tables(comparison: Comparison) -> list[Table]:
    """Every table, from what was compared to what failed."""
    found = [generators(comparison), *(at_level(comparison, k) for k in comparison.plan.levels)]
    found += [depths(comparison), *(matched(one) for one in comparison.matchings)]
    if comparison.failures:
        found.append(failures(comparison))
    return [table for table in found if table.rows]


def markdown(comparison: Comparison) -> str:
    """All tables under one heading, with the plan."""
    body = "\n".join(table.markdown() for table in tables(comparison))
    title = f"# Comparison of {len(comparison.generators)} generators"
    return f"{title}\n\n{told(comparison.plan)}\n\n{body}"


def told(plan: Plan) -> str:
    """The plan in a sentence or two."""
    levels = ", ".join(f"1/{level}" for level in plan.levels)
    return (
        f"The same for each: layers at {levels} of the image's side, {plan.samples} samples a fit"
        f" (seeds 0 to {plan.samples - 1}), {plan.parts} parts, all channels; measured on"
        f" {plan.scored} samples that no fit saw."
    )


def generators(comparison: Comparison) -> Table:
    """What was compared, and what it took."""
    rows = [
        (
            one.name,
            one.architecture,
            one.dataset,
            str(one.resolution),
            ", ".join(f"{level.layer} ({level.size})" for level in one.levels),
            "yes" if one.faces else "no",
            f"{one.seconds:.0f}",
            "; ".join([*(f"no layer near 1/{k}" for k in one.absent), *_notes(one)]) or "-",
        )
        for one in comparison.generators
    ]
    head = ("generator", "architecture", "data", "pixels", "layers (side)", "faces parsed", "s")
    about = "Layers are matched by their side over the image's. s: seconds of the whole analysis."
    return Table("Generators", about, (*head, "notes"), tuple(rows))


def _notes(one: Analyzed) -> Iterator[str]:
    yield from one.notes
    for level in one.levels:
        yield from (f"1/{level.level}: {note}" for note in level.notes)


Column = tuple[str, Callable[[Level], str]]


def at_level(comparison: Comparison, level: int) -> Table:
    """All figures at one level, a row a generator; columns that nobody has are left out."""
    found = [(one.name, at) for one in comparison.generators if (at := one.at(level)) is not None]
    columns: list[Column] = [
        ("layer", lambda at: at.layer),
        ("side", lambda at: str(at.size)),
        ("channels", lambda at: str(at.channels)),
        ("loss", lambda at: f"{at.loss:.4f}"),
        ("fit, s", lambda at: f"{at.seconds['sampling'] + at.seconds['solving']:.1f}"),
        ("edit inside / outside", lambda at: _ratio(at)),
        ("removed: change inside", lambda at: f"{at.removal.inside:.3f}"),
        ("outside", lambda at: f"{at.removal.outside:.3f}"),
        ("face gone", lambda at: pair(at.removal.gone)),
    ]
    for name in _keys(at.localization for _, at in found):
        columns.append((f"IoU {name}", lambda at, k=name: pair(at.localization.get(k))))  # type: ignore[misc]
    for name in _keys(at.hair for _, at in found):
        columns.append((f"hair: {name}", lambda at, k=name: pair(at.hair.get(k))))  # type: ignore[misc]
    for name in _keys(at.scores for _, at in found):
        columns.append((name, lambda at, k=name: _number(at.scores.get(k))))  # type: ignore[misc]
    cells = [(title, [make(at) for _, at in found]) for title, make in columns]
    kept = [(title, values) for title, values in cells if any(value != "-" for value in values)]
    rows = [(name, *(values[row] for _, values in kept)) for row, (name, _) in enumerate(found)]
    about = (
        "loss: share of the features' energy that the factors leave. Edits: mean change of pixels"
        " inside the part over that outside. Removed: all parts of the object give way to"
        " background; changes are shares of the range. IoU: mean ± sd over samples. Gone: the"
        " share of the parsed area of all samples together, ± the sd of what single ones differ by."
    )
    return Table(
        f"At 1/{level} of the image", about, ("generator", *(k for k, _ in kept)), tuple(rows)
    )


def depths(comparison: Comparison) -> Table:
    """Where background lives: a row for each layer that was asked."""
    rows = [
        (
            one.name,
            depth.layer,
            f"{depth.size}",
            f"1/{one.resolution / depth.size:g}",
            f"{depth.share:.3f}",
            f"{depth.contrast:+.2f}",
            pair(depth.iou) + (" *" if depth is carrier(one) else ""),
        )
        for one in comparison.generators
        for depth in one.depths
    ]
    head = ("generator", "layer", "side", "of the image", "share", "contrast", "IoU background")
    about = (
        "share: of the variance of features, what lies along the background appearance. contrast:"
        " standard deviations by which its coordinate is higher on the border than elsewhere."
        " IoU: of its thresholded map with parsed background. *: the layer that carries it best"
        " (by IoU, or by contrast without faces)."
    )
    return Table("Background at every depth", about, head, tuple(rows))


def carrier(one: Analyzed) -> Depth | None:
    """The layer that carries background best: by IoU, or by contrast where no faces are parsed."""

    def rank(depth: Depth) -> float:
        return depth.iou[0] if depth.iou is not None else depth.contrast

    return max(one.depths, key=rank, default=None)


def matched(matching: Matching) -> Table:
    """The rows of a matching: for each generator which part it is, and how alike."""
    names = [matching.reference, *(k for k in matching.left if k != matching.reference)]
    rows = [
        (
            f"{index}: {row.name}",
            *(cell(row.matches.get(name), matching, name) for name in names),
            f"{row.likeness:.2f}",
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
    return Table(title, about, (matching.kind[:-1], *names, "mean"), tuple(rows))


def cell(match: Match | None, matching: Matching, name: str) -> str:
    """What a generator has for a row, in a few words."""
    if match is None:
        return "lacks"
    if name == matching.reference:
        return str(match.index)
    if match.verdict == "splits":
        return f"splits into {' + '.join(map(str, match.pieces))}"
    if match.verdict == "lacks":
        return f"lacks (nearest {match.index}, {match.likeness:.2f})"
    return f"{match.index} ({match.likeness:.2f})"


def failures(comparison: Comparison) -> Table:
    """What could not be compared, and why."""
    rows = tuple((one.name, one.reason) for one in comparison.failures)
    return Table("Failed", "The same command tries these again.", ("generator", "reason"), rows)


def pair(values: Moments | None) -> str:
    """Such as ``0.83 ± 0.05``, or ``-``."""
    return "-" if values is None else f"{values[0]:.2f} ± {values[1]:.2f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _ratio(level: Level) -> str:
    """The mean over edits of the change inside over that outside."""
    values = [a.inside / a.outside for a in level.appearances if a.outside > 0]
    return f"{sum(values) / len(values):.1f}" if values else "-"


def _keys(found: Iterable[Mapping[str, object]]) -> list[str]:
    """The names of figures that any has, in the order of the first that has them."""
    return list(dict.fromkeys(key for facts in found for key in facts))


def _plain(text: str) -> str:
    """Text that does not end a cell."""
    return text.replace("|", "\\|").replace("\n", " ")
