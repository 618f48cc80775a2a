"""What a study of backgrounds measures: how many of everything."""

from __future__ import annotations

from dataclasses import dataclass

from panda.errors import PandaError
from panda.generators.contract import Generator, Layer, last_layers
from panda.generators.seeds import EVALUATION, as_count

PART_AXES = 4
"""Own appearances of each part that are candidates, so that 8 parts have as many as there are
others (`panda.evaluation.baselines.TRIED`)."""

SIDES = 4, 64
"""The fewest and the most positions a side of the layers that are measured."""

COUNTS = ("sets", "samples", "parts", "n", "edited", "selected", "portrayed", "parse_size")


@dataclass(frozen=True)
class BackgroundSettings:
    """All that the figures depend on, but for the generators.

    Attributes:
        sets: Disjoint sets of seeds; factors are fitted to each of them.
        samples: Seeds of each set.
        parts: R_S of each fit; R_C is all channels.
        n: Samples that directions are scored on, none of which any fit or choice has seen.
        edited: How many of those are edited with the directions of each set; other ones for each
            set, as far as there are.
        selected: Other samples, on which directions and layers are chosen.
        portrayed: Samples whose backgrounds are compared in images, of those that are scored on.
        faces: Whether faces are parsed, where a generator makes any.
        parse_size: Pixels at which they are parsed.
    """

    sets: int = 5
    samples: int = 200
    parts: int = 8
    n: int = 32
    edited: int = 8
    selected: int = 16
    portrayed: int = 128
    faces: bool = True
    parse_size: int = 512

    def __post_init__(self) -> None:
        """Raise `PandaError` for counts below one, and for fits that would see scored samples."""
        for name in COUNTS:
            object.__setattr__(self, name, as_count(getattr(self, name), name))
        if self.sets * self.samples > EVALUATION:
            raise PandaError(
                f"{self.sets} sets of {self.samples} samples are more than {EVALUATION}, the first"
                " seed of samples that are scored; take fewer"
            )
        if self.portrayed < 4:
            raise PandaError(f"{self.portrayed} images to compare, expected at least 4: two halves")
        if self.edited > self.n:
            raise PandaError(
                f"{self.edited} samples are to be edited of {self.n} that are scored; edit fewer,"
                " or score more"
            )

    def fit_seeds(self, number: int) -> range:
        """Return the seeds of one set."""
        return range(number * self.samples, (number + 1) * self.samples)

    def edited_rows(self, number: int) -> list[int]:
        """Return which of the scored samples are edited with the directions of one set."""
        start = number * self.edited
        return [row % self.n for row in range(start, start + self.edited)]


def layers_of(generator: Generator) -> list[Layer]:
    """Return the last layers of each size (`last_layers`) within `SIDES`, from coarse to fine.

    Raises:
        PandaError: Where there is none.
    """
    fewest, most = SIDES
    layers = [layer for layer in last_layers(generator) if fewest <= layer.side <= most]
    if not layers:
        raise PandaError(
            f"{generator.name} has no layer of {fewest} to {most} positions a side; background is"
            " looked for there"
        )
    return layers
