"""What a comparison finds, as plain frozen data that goes to JSON and comes back from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from panda.comparison.plan import Plan
from panda.generators.entries import Entry
from panda.metrics.summary import MeanStd


@dataclass(frozen=True)
class Part:
    """A part: what it covers (face classes) or where it is, and its share of the image's area."""

    name: str
    area: float


@dataclass(frozen=True)
class Appearance:
    """Own appearance ``axis`` of a part, at plus and minus a fixed number of standard deviations.

    inside and outside: the mean absolute change of pixels there, as a share of the range.
    """

    part: int
    axis: int
    inside: float
    outside: float


@dataclass(frozen=True)
class Removal:
    """What replacing the object by background does, wherever its detector sees none.

    inside and outside: mean absolute change there, a share of the range. gone: the share of the
    parsed face that disappears (`panda.metrics.removal.area_gone`).
    """

    inside: float
    outside: float
    gone: MeanStd | None


@dataclass(frozen=True)
class Level:
    """One layer's factors in figures.

    size: positions from side to side, inside the image. loss: the share of energy that the factors
    leave. seconds: of sampling, solving and all. localization: IoU of a concept's map with the
    parsed class. hair: of removing the parts that cover it (`panda.evaluation.removal`).
    scores: those of plugins. notes: what could not be measured, and why.
    """

    level: int
    layer: str
    channels: int
    size: int
    loss: float
    seconds: Mapping[str, float]
    parts: tuple[Part, ...]
    appearances: tuple[Appearance, ...]
    removal: Removal
    localization: Mapping[str, MeanStd] = field(default_factory=dict)
    hair: Mapping[str, MeanStd] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Depth:
    """How much of background one layer has.

    share: of the variance of features over positions and samples, what lies along the background
    appearance. contrast: by how many standard deviations the detector's coordinate is higher on the
    border than elsewhere. iou: of its thresholded map with parsed background.
    """

    layer: str
    size: int
    share: float
    contrast: float
    iou: MeanStd | None


@dataclass(frozen=True)
class Analyzed:
    """All that is measured of one entry.

    seconds: of the whole analysis. absent: levels that it has no layer near.
    """

    name: str
    generator: str
    label: int | None
    architecture: str
    dataset: str
    resolution: int
    faces: bool
    depths: tuple[Depth, ...]
    seconds: float
    absent: tuple[int, ...] = ()
    levels: tuple[Level, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def entry(self) -> Entry:
        """What this was measured of."""
        return Entry(self.generator, self.label)

    def at(self, level: int) -> Level | None:
        """The figures of a level, where this generator has a layer of that size."""
        return next((one for one in self.levels if one.level == level), None)


@dataclass(frozen=True)
class Failure:
    """An entry that could not be analyzed, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Match:
    """What stands for a row's concept in one generator.

    index: of the part or appearance that it was assigned. likeness: the correlation of their maps,
    in [-1, 1]. pieces: parts that make up the concept together, where they do so better than one.
    verdict: ``"same"``, ``"splits"`` or ``"lacks"``.
    """

    index: int
    likeness: float
    verdict: str
    pieces: tuple[int, ...] = ()


@dataclass(frozen=True)
class MatchRow:
    """One concept over all generators: the reference's part or appearance, and its matches."""

    name: str
    matches: Mapping[str, Match]

    @property
    def likeness(self) -> float:
        """The mean over all generators but the reference, whose likeness is 1; 1 where alone."""
        values = [match.likeness for match in self.matches.values()]
        return (sum(values) - 1) / (len(values) - 1) if len(values) > 1 else 1.0


@dataclass(frozen=True)
class Matching:
    """Rows of one level. ``reference`` is the generator that is most like all others.

    left: for each generator the parts that stand for nothing of the reference's.
    """

    level: int
    kind: str
    reference: str
    rows: tuple[MatchRow, ...]
    left: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Kinship:
    """How alike the background appearances of one generator's classes are at one level.

    labels: the classes that were compared, None for all of them mixed. likeness: the cosines
    between each two of their appearances, one row a class.
    """

    level: int
    generator: str
    labels: tuple[int | None, ...]
    likeness: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Comparison:
    """The plan, what was found of each generator, how they match, and what failed.

    kinships: of generators that are there with several classes.
    """

    plan: Plan
    generators: tuple[Analyzed, ...]
    matchings: tuple[Matching, ...]
    failures: tuple[Failure, ...]
    kinships: tuple[Kinship, ...] = ()

    def get(self, name: str) -> Analyzed:
        """The generator of that name; raises `KeyError`."""
        return {one.name: one for one in self.generators}[name]

    def to_json(self) -> dict[str, Any]:
        """Every number, as JSON takes it."""
        return asdict(self)


def level_from(facts: Mapping[str, Any]) -> Level:
    """A level from what `asdict` and JSON made of it; raises `TypeError` or `KeyError`."""
    removal = facts["removal"]
    changed = {
        "parts": tuple(Part(**part) for part in facts["parts"]),
        "appearances": tuple(Appearance(**one) for one in facts["appearances"]),
        "removal": Removal(**{**removal, "gone": _moments(removal["gone"])}),
        "localization": {name: tuple(value) for name, value in facts["localization"].items()},
        "hair": {name: tuple(value) for name, value in facts["hair"].items()},
        "notes": tuple(facts["notes"]),
    }
    return Level(**{**facts, **changed})


def analyzed_from(facts: Mapping[str, Any]) -> Analyzed:
    """The same of an entry."""
    changed = {
        "depths": tuple(Depth(**{**d, "iou": _moments(d["iou"])}) for d in facts["depths"]),
        "levels": tuple(level_from(level) for level in facts["levels"]),
        "absent": tuple(facts["absent"]),
        "notes": tuple(facts["notes"]),
    }
    return Analyzed(**{**facts, **changed})


def _moments(values: list[float] | None) -> MeanStd | None:
    return None if values is None else (values[0], values[1])
