"""What a benchmark of locality compares, and what it works with."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from panda.directions.method import Fitted, Method
from panda.errors import PandaError
from panda.evaluation.choose_effects import Screened
from panda.evaluation.controls import CONTROLS
from panda.evaluation.edits import EditGoal
from panda.evaluation.faces import FaceSampler
from panda.evaluation.store import BenchmarkFolder
from panda.evaluation.witnesses import Witnesses
from panda.methods.catalog import METHODS
from panda.metrics.fid import InceptionFeatures
from panda.metrics.lpips import LPIPS


@dataclass(frozen=True)
class LocalitySettings:
    """What is compared: all that the figures depend on, but for the number of processes.

    Attributes:
        generator: Its name or file.
        edits: Names of `panda.evaluation.edits.EDITS`, separated by commas.
        n: The number of images that edits are measured on.
        methods: Names of methods, or ``label=name:setting=value:...`` for one with other settings;
            the setting ``local`` makes its directions local (`panda.evaluation.localized`).
        published: ``method=file.npy``: directions that the method's own authors published.
        equal: What is equal of all edits of an image: their ``"change"`` inside the region, or
            their ``"effect"``.
        target: The root mean square change inside the region, of images in [-1, 1], where it is
            that which is equal.
        boxes: Whether regions are fixed boxes instead of parsed faces.
        select: The number of faces that edits are chosen on.
        shortlist: How many edits of a method are rendered for each goal.
        parse: Pixels at which faces are parsed; 0 without a parser.
        effects: Whether edited images are parsed too, for what edits do, and have an FID.
    """

    generator: str
    edits: str = "eyes,nose,open_mouth,smile"
    n: int = 1000
    methods: tuple[str, ...] = tuple(METHODS)
    published: tuple[str, ...] = ()
    equal: str = "change"
    target: float = 0.2
    boxes: bool = False
    select: int = 4
    shortlist: int = 6
    parse: int = 512
    effects: bool = False

    @property
    def labels(self) -> list[str]:
        """The label of each method."""
        return [label_of(text)[0] for text in self.methods]

    @property
    def controls(self) -> tuple[str, ...]:
        """The labels of the controls, which have no effect that could be equal."""
        return CONTROLS if self.equal == "change" else ()


@dataclass(frozen=True, eq=False)
class LocalityBenchmark:
    """Settings with everything that is needed to work on them.

    Attributes:
        settings: What is compared.
        sampler: Draws and parses faces.
        folder: Where results are.
        distance: LPIPS; None for generators of less than 64 pixels.
        features: Inception's features for the FID; None where ``settings.effects`` is false.
        witnesses: Landmarks and identity; None but at equal effect.
        pictures: The number of faces whose edited images are saved.
        goals: What each edit is for, by name.
        fitted: The last method that was fitted, with the seconds that it took.
        screened: What trials of a method's edits gave, by its name, settings and files: plain and
            local directions of one method share them.
    """

    settings: LocalitySettings
    sampler: FaceSampler
    folder: BenchmarkFolder
    distance: LPIPS | None
    features: InceptionFeatures | None
    witnesses: Witnesses | None
    pictures: int
    goals: Mapping[str, EditGoal]
    fitted: dict[Method, tuple[Fitted, dict[str, float]]] = field(default_factory=dict)
    screened: dict[tuple[str, ...], Sequence[Screened]] = field(default_factory=dict)

    @property
    def batch(self) -> int:
        """Faces at a time: a CPU gains nothing by more, and each then stops at its own strength."""
        return 1 if self.sampler.generator.device.type == "cpu" else 16

    @property
    def regions(self) -> list[str]:
        """The names of all regions in which edits act."""
        return list(dict.fromkeys(goal.region for goal in self.goals.values()))


def label_of(text: str) -> tuple[str, str, list[str]]:
    """Split ``fine=panda:own=True`` into label, name and settings; a bare name is its own label.

    Raises:
        PandaError: Where the label could not be the name of a folder.
    """
    head, *settings = text.split(":")
    label, _, name = head.partition("=")
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,60}", label) or label in CONTROLS:
        raise PandaError(f"{label!r:.80} is no label of a method; expected a short word")
    return label, name or label, settings
