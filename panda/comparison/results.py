"""What a comparison measures, as plain frozen data that goes to JSON and comes back from it.

Figures are means over samples, with half of their 95 % interval.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from panda.comparison.plan import Plan
from panda.errors import PandaError, nearest
from panda.factorization.verdict import Verdict
from panda.generators.entries import Entry
from panda.generators.labels import Label
from panda.metrics.summary import Estimate
from panda.shapes import CHANNELS


@dataclass(frozen=True)
class Part:
    """A part of one layer.

    Attributes:
        name: What it covers (face classes), or where it is.
        area: Its share of the image's area.
    """

    name: str
    area: float


@dataclass(frozen=True)
class Appearance:
    """Appearance ``axis`` of a part, at plus and minus a fixed number of standard deviations.

    Attributes:
        part: The part's index.
        axis: The appearance's index.
        inside: The mean absolute change of pixels inside the part, as a share of the range.
        outside: The same outside of it.
    """

    part: int
    axis: int
    inside: float
    outside: float


@dataclass(frozen=True)
class Removal:
    """What continuing the background into the object's place does.

    Attributes:
        inside: The mean absolute change of pixels inside the object, as a share of the range.
        outside: The same outside of it.
        gone: The share of the parsed face that disappears (`panda.metrics.removal.area_gone`);
            None without faces.
        seam: The jump of color that is left along the parsed border (`panda.metrics.removal.seam`),
            likewise.
        damage: The change of color in the parsed background, likewise.
    """

    inside: Estimate
    outside: Estimate
    gone: Estimate | None
    seam: Estimate | None
    damage: Estimate | None


@dataclass(frozen=True)
class Localized:
    """How well one concept's map agrees with the parsed class, and what else does as well.

    Attributes:
        concept: The name of the appearance.
        iou: Of its thresholded map.
        constant: Of the best constant mask.
        components: Of the best principal component of the features.
        random: Of the best of as many random directions.
        gain: By how much the first is above the constant mask.
        lead: By how much it is above the principal component.
    """

    concept: str
    iou: Estimate
    constant: Estimate
    components: Estimate
    random: Estimate
    gain: Estimate
    lead: Estimate


@dataclass(frozen=True)
class Level:
    """One layer's factors in figures.

    Attributes:
        level: The height of the image over that of the layer, about.
        layer: The layer's name.
        channels: Its C.
        size: Positions from top to bottom, inside the image.
        loss: The share of the features' energy that the factors leave.
        seconds: Of ``"sampling"``, ``"solving"`` and ``"all"``.
        parts: All parts, in order.
        appearances: The first ones of each part.
        removal: Of the whole object; None where no background was found.
        localization: Of background, hair and skin, where samples have them.
        hair: Of removing the parts that cover it (`panda.evaluation.removal`).
        scores: Those of plugins.
        notes: What could not be measured, and why.
    """

    level: int
    layer: str
    channels: int
    size: int
    loss: float
    seconds: Mapping[str, float]
    parts: tuple[Part, ...]
    appearances: tuple[Appearance, ...]
    removal: Removal | None
    localization: Mapping[str, Localized] = field(default_factory=dict)
    hair: Mapping[str, Estimate] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raise ValueError where the figures cannot be those of a layer."""
        if not {"sampling", "solving", "all"} <= set(self.seconds):
            raise ValueError(f"seconds of {', '.join(self.seconds)} only")
        if not all(0 <= each.part < len(self.parts) for each in self.appearances):
            raise ValueError("an appearance of a part that is not there")


@dataclass(frozen=True)
class Depth:
    """How much of background one layer has.

    Attributes:
        layer: The layer's name.
        size: Positions from top to bottom, inside the image.
        share: Of the variance of features over positions and samples, what lies along the
            background appearance.
        contrast: By how many standard deviations the detector's coordinate is higher on the border
            than elsewhere.
        selected: The IoU, or without faces the contrast, on the samples to select on: what layers
            are chosen by.
        iou: Of its thresholded map with parsed background; None without faces.
        gain: By how much this is above the best constant mask; likewise.
        constant: The IoU of the constant mask that fits best on the samples to select on; likewise.
        components: That of the principal component of the features that does; likewise.
        random: That of the best of as many random directions; likewise.
        lead: By how much the IoU is above that of the principal component; likewise.
        agreement: See `panda.factorization.verdict`; None from too few samples.
        covered: Likewise.
    """

    layer: str
    size: int
    share: Estimate
    contrast: Estimate
    selected: float
    iou: Estimate | None = None
    gain: Estimate | None = None
    constant: Estimate | None = None
    components: Estimate | None = None
    random: Estimate | None = None
    lead: Estimate | None = None
    agreement: float | None = None
    covered: float | None = None

    def __post_init__(self) -> None:
        """Raise ValueError where this is no size of a layer."""
        if self.size < 1:
            raise ValueError(f"a layer of {self.size} positions a side")

    @property
    def verdict(self) -> str:
        """Whether there is a background: ``"found"``, another word, or ``""`` if nothing tells."""
        if self.agreement is None or self.covered is None:
            return ""
        if not Verdict(self.agreement, self.covered).found:
            return "not found"
        if self.gain is not None and self.gain[0] <= self.gain[1]:
            return "no better than a constant mask"
        return "found"


@dataclass(frozen=True)
class GeneratorResult:
    """All that is measured of one generator, or of one class of it.

    Attributes:
        name: What it is called in every output.
        generator: Its name or file.
        label: Its class or text; None for all of them.
        architecture: The name on its card.
        dataset: What it was trained on.
        size: Height and width of its images, in pixels.
        faces: Whether its images are of faces, and parsed.
        depths: Background at one layer of each size.
        seconds: Of the whole analysis.
        absent: Levels that it has no layer near.
        levels: The factors at all other levels.
        notes: What could not be measured, and why.
        weights_sha256: The digest of its weights (`Generator.digest`), or empty.
        channels: Channels of its images.
        whole: The share of the samples to select on that show a whole face; None without faces.
    """

    name: str
    generator: str
    label: Label | None
    architecture: str
    dataset: str
    size: tuple[int, int]
    faces: bool
    depths: tuple[Depth, ...]
    seconds: float
    absent: tuple[int, ...] = ()
    levels: tuple[Level, ...] = ()
    notes: tuple[str, ...] = ()
    weights_sha256: str = ""
    channels: int = 3
    whole: float | None = None

    def __post_init__(self) -> None:
        """Raise ValueError where this is no shape of images."""
        if min(self.size) < 1 or self.channels not in CHANNELS:
            raise ValueError(f"images of {self.size} pixels and {self.channels} channels")

    @property
    def entry(self) -> Entry:
        """The entry of the comparison that this was measured of."""
        return Entry(self.generator, self.label)

    def at(self, level: int) -> Level | None:
        """Return the figures of a level; None where this generator has no layer of that size."""
        return next((figures for figures in self.levels if figures.level == level), None)


@dataclass(frozen=True)
class Failure:
    """An entry that could not be analyzed, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Match:
    """What corresponds to a row's concept in one generator.

    Attributes:
        index: Of the part or appearance that it was assigned.
        similarity: The correlation of their maps, in [-1, 1].
        verdict: ``"same"``, ``"splits"`` or ``"lacks"``.
        pieces: Parts that make up the concept together, where they do so better than a single one.
    """

    index: int
    similarity: float
    verdict: str
    pieces: tuple[int, ...] = ()


@dataclass(frozen=True)
class MatchRow:
    """One concept over all generators.

    Attributes:
        name: What the reference's part or appearance is called.
        matches: What corresponds to it, by the generator's name.
    """

    name: str
    matches: Mapping[str, Match]

    @property
    def similarity(self) -> float:
        """The mean over all generators but the reference, where it is 1; 1 for a single one."""
        values = [match.similarity for match in self.matches.values()]
        return (sum(values) - 1) / (len(values) - 1) if len(values) > 1 else 1.0


@dataclass(frozen=True)
class Matching:
    """The concepts of one level.

    Attributes:
        level: The level.
        kind: ``"parts"`` or ``"appearances"``.
        reference: The generator that is most like all others.
        rows: Its parts or appearances, with their matches.
        left: For each generator the parts that correspond to nothing of the reference's.
    """

    level: int
    kind: str
    reference: str
    rows: tuple[MatchRow, ...]
    left: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class BackgroundSimilarity:
    """How similar the background appearances of one generator's classes are at one level.

    Attributes:
        level: The level.
        generator: The generator's name or file.
        labels: The classes that were compared, None for all of them mixed.
        cosines: Of the appearances of each two of them, one row a class.
    """

    level: int
    generator: str
    labels: tuple[Label | None, ...]
    cosines: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Comparison:
    """Everything that `panda.comparison.compare` measures.

    Attributes:
        plan: What was compared.
        generators: The results, in the order given.
        matchings: Which parts and appearances are the same, by level.
        failures: What could not be analyzed.
        similarities: Of the classes of generators that are compared with several.
    """

    plan: Plan
    generators: tuple[GeneratorResult, ...]
    matchings: tuple[Matching, ...]
    failures: tuple[Failure, ...]
    similarities: tuple[BackgroundSimilarity, ...] = ()

    def __repr__(self) -> str:
        """Return the names alone; `to_json` has every number."""
        names = ", ".join(result.name for result in self.generators)
        failed = ", ".join(failure.name for failure in self.failures)
        return (
            f"<Comparison of {names}; failed: {failed}>" if failed else f"<Comparison of {names}>"
        )

    def get(self, name: str) -> GeneratorResult:
        """Return the result of a generator by its name; raise `PandaError` for another one."""
        by_name = {result.name: result for result in self.generators}
        if name not in by_name:
            raise PandaError(f"no generator {name!r} was compared{nearest(name, by_name)}")
        return by_name[name]

    def to_json(self) -> dict[str, Any]:
        """Return every number, as JSON takes it."""
        return asdict(self)
