"""Generators as users write them: names, patterns, files, single classes and texts."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from panda.checkpoints.hub import fetched
from panda.errors import PandaError, nearest
from panda.generators.labels import Label, Names, as_label, label_text
from panda.generators.registry import (
    cards,
    find_card,
    full_name,
    is_file,
    known_card,
    list_generators,
    refer,
)
from panda.generators.seeds import parse_numbers

LONGEST = 100
"""Characters of a folder's name: a label may be a text of any length."""


@dataclass(frozen=True)
class Entry:
    """A column of a comparison.

    Attributes:
        generator: The generator's name or checkpoint file, with its options of loading.
        label: A class of it by number, or a text, or None for all.
    """

    generator: str
    label: Label | None = None

    @property
    def name(self) -> str:
        """The name in every output; of a file the last two parts of its path."""
        base = refer(self.generator).name
        short = "/".join(Path(base).parts[-2:]) if is_file(base) else base
        short += self.generator[len(base) :]
        return short if self.label is None else f"{short}@{self.label_name}"

    @property
    def reference(self) -> str:
        """The text that `create_generator` takes for it."""
        return self.generator if self.label is None else f"{self.generator}@{self.label_name}"

    @property
    def label_name(self) -> str:
        """The name of its class where there is one, or the text; empty for all classes."""
        card = known_card(self.generator)
        return "" if self.label is None else label_text(self.label, card.labels if card else ())

    @property
    def folder(self) -> str:
        """The name, without characters that a file name cannot have."""
        plain = re.sub(r"[^A-Za-z0-9._@-]", "_", self.name).lstrip(".")
        if len(plain) <= LONGEST:
            return plain
        return f"{plain[:LONGEST]}-{hashlib.sha256(self.name.encode()).hexdigest()[:12]}"


def find_entries(texts: str | Sequence[str]) -> list[Entry]:
    """Return the entries that are meant, each once.

    Args:
        texts: Names, patterns such as ``"mini-*"``, checkpoint files, each with its options
            (``"NAME?steps=20"``), or ``"NAME@3"``, ``"NAME@0-9"`` and ``"NAME@blue,gray"`` for
            single classes, ``"NAME@a red house"`` for a text; one text alone will do.

    Raises:
        PandaError: Where a text matches nothing, or two entries have the same name.
    """
    entries: dict[Entry, None] = {}
    for text in [texts] if isinstance(texts, str) else texts:
        text = fetched(text)
        reference = refer(text)
        rest = text[len(reference.name) :]
        if reference.label is not None:
            rest = rest.removesuffix(f"@{reference.label}")
        for name in _names(reference.name):
            generator = f"{name}{rest}" if is_file(name) else full_name(f"{name}{rest}")
            labels = [None] if reference.label is None else _labels(reference.label, name)
            entries |= dict.fromkeys(Entry(generator, label) for label in labels)
    if not entries:
        raise PandaError("no generators were given; name at least one, or a pattern such as '*'")
    folders: dict[str, Entry] = {}
    for entry in entries:
        other = folders.setdefault(entry.folder, entry)
        if other is not entry:
            this, that = (
                each.generator if other.generator != entry.generator else repr(each.label)
                for each in (other, entry)
            )
            raise PandaError(f"{this} and {that} would both be called {entry.folder}; rename one")
    return list(entries)


def _labels(text: str, name: str) -> list[Label | None]:
    """Return the labels that are meant: numbers, ranges, names of classes, or one text.

    What a file takes is not known before it is loaded, so its numbers are classes, and a text
    stays whole.
    """
    card = known_card(name)
    labels: Names = card.labels if card else ()
    if isinstance(labels, str):
        return [text]
    if re.fullmatch(r"[0-9,-]+", text) and text not in labels:
        return [as_label(number, labels, name) for number in parse_numbers(text, "classes")]
    if card is None:
        return [text]
    whole = text in labels or "," not in text
    return [as_label(each, labels, name) for each in ([text] if whole else text.split(","))]


def _names(text: str) -> list[str]:
    if is_file(text):
        return [text]
    if not re.search(r"[*?\[]", text):
        find_card(text)  # raises PandaError with the nearest names
        return [text]
    if not (names := list_generators(text)):
        raise PandaError(f"no generator matches {text!r}{nearest(text, cards())}")
    return names
