"""What is compared: how much of everything, at which layers, of which generators."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from panda.errors import PandaError, nearest
from panda.generator import Generator, Layer
from panda.registry import cards, find_card, is_file, list_generators
from panda.seeds import parse_numbers

NEAR = math.sqrt(2)
"""A layer stands for a level where its side is within this factor of the level's."""

DEEPEST = 64
"""Layers of up to this many positions a side are asked for background, and any level's."""


@dataclass(frozen=True)
class Plan:
    """How much of everything; the same for every generator.

    levels: sides of the image over that of the layer, so 4 is a layer of 16 x 16 in images of 64.
    samples: seeds 0, 1, ... of each fit. parts: R_S; R_C is all channels. axes: own appearances of
    each part. images: samples that edits are measured on and pictures made of. scored: samples,
    none of the fit, that background, localization and removal are measured on; selected: those on
    which the concept that fits a face class best is chosen. faces: whether faces are parsed, at
    ``parse_size`` pixels, where there are any.
    """

    levels: tuple[int, ...] = (16, 8, 4)
    samples: int = 1000
    parts: int = 8
    axes: int = 2
    images: int = 6
    scored: int = 64
    selected: int = 16
    faces: bool = True
    parse_size: int = 512

    def __post_init__(self) -> None:
        """Raise `PandaError` for counts below one and levels given twice."""
        counts = (self.samples, self.parts, self.axes, self.images, self.scored, self.selected)
        if min(counts) < 1 or not self.levels or min(self.levels) < 1:
            raise PandaError(f"{self}: expected levels and counts of at least one")
        if len(set(self.levels)) != len(self.levels):
            raise PandaError(f"levels {list(self.levels)} name one more than once")


QUICK = Plan(levels=(4,), samples=200, axes=1, images=4, scored=8, selected=8, parse_size=384)


@dataclass(frozen=True)
class Entry:
    """One column of a comparison: a generator, by name or file, and a class of it or all."""

    generator: str
    label: int | None = None

    @property
    def name(self) -> str:
        """How it is called in every output: the name, or the last two parts of a file's path."""
        short = "/".join(Path(self.generator).parts[-2:]) if is_file(self.generator) else None
        return (short or self.generator) + ("" if self.label is None else f"@{self.label}")

    @property
    def folder(self) -> str:
        """The name with nothing in it that a file name cannot have."""
        return re.sub(r"[^A-Za-z0-9._@-]", "_", self.name).lstrip(".")


def find_entries(given: Sequence[str]) -> list[Entry]:
    """Entries by name, pattern or file, each once; ``NAME@3`` or ``NAME@0-9`` for single classes.

    Raises `PandaError` where one matches nothing or two files cannot be told apart by name.
    """
    found: dict[Entry, None] = {}
    for text in given:
        match = re.fullmatch(r"(.+)@([0-9,-]+)", text)
        labels: list[int | None] = [None]
        if match is None or Path(text).exists():
            names = _names(text)
        else:
            names = _names(match[1])
            labels = list(parse_numbers(match[2], "classes"))
        found |= dict.fromkeys(Entry(name, label) for name in names for label in labels)
    if not found:
        raise PandaError("no generators were given; name at least one, or a pattern such as '*'")
    folders: dict[str, Entry] = {}
    for entry in found:
        other = folders.setdefault(entry.folder, entry)
        if other is not entry:
            raise PandaError(
                f"{other.generator} and {entry.generator} would both be called {entry.name};"
                " rename one"
            )
    return list(found)


def _names(text: str) -> list[str]:
    if is_file(text):
        return [text]
    if not re.search(r"[*?\[]", text):
        find_card(text)  # says what is near
        return [text]
    if not (names := list_generators(text)):
        raise PandaError(f"no generator matches {text!r}{nearest(text, cards())}")
    return names


def side(layer: Layer) -> int:
    """Positions inside the image, from side to side."""
    return layer.height - 2 * layer.margin


def layer_at(generator: Generator, level: int) -> Layer | None:
    """The last layer nearest in size to the image over ``level``; None where none is near."""
    wanted = generator.resolution / level

    def distance(layer: Layer) -> float:
        return abs(math.log(side(layer) / wanted))

    found = min(reversed(list(generator.layers.values())), key=distance)
    return found if distance(found) < math.log(NEAR) else None


def depths(generator: Generator, plan: Plan) -> list[Layer]:
    """The last layer of each size, from coarse to fine, as far as background is looked for."""
    limit = max(DEEPEST, generator.resolution // min(plan.levels))
    last = {side(layer): layer for layer in generator.layers.values()}
    return [last[size] for size in sorted(last) if 4 <= size <= limit]
