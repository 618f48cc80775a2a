"""Generators as users write them: names, patterns, files, and single classes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from panda.errors import PandaError, nearest
from panda.generators.natural import as_label
from panda.generators.registry import cards, find_card, is_file, list_generators
from panda.generators.seeds import parse_numbers


@dataclass(frozen=True)
class Entry:
    """A column of a comparison.

    Attributes:
        generator: The generator's name or checkpoint file.
        label: A class of it, or None for all.
    """

    generator: str
    label: int | None = None

    @property
    def name(self) -> str:
        """The name in every output; of a file the last two parts of its path."""
        short = "/".join(Path(self.generator).parts[-2:]) if is_file(self.generator) else None
        return (short or self.generator) + ("" if self.label is None else f"@{self.label}")

    @property
    def folder(self) -> str:
        """The name, without characters that a file name cannot have."""
        return re.sub(r"[^A-Za-z0-9._@-]", "_", self.name).lstrip(".")


def find_entries(texts: str | Sequence[str]) -> list[Entry]:
    """Return the entries that are meant, each once.

    Args:
        texts: Names, patterns such as ``"mini-*"``, checkpoint files, or ``"NAME@3"``,
            ``"NAME@0-9"`` and ``"NAME@blue,gray"`` for single classes; one text alone will do.

    Raises:
        PandaError: Where a text matches nothing, or two files have the same name.
    """
    entries: dict[Entry, None] = {}
    for text in [texts] if isinstance(texts, str) else texts:
        match = re.fullmatch(r"(.+)@(.+)", text)
        if match is None or Path(text).exists():
            entries |= dict.fromkeys(map(Entry, _names(text)))
            continue
        for name in _names(match[1]):
            entries |= dict.fromkeys(Entry(name, label) for label in _labels(match[2], name))
    if not entries:
        raise PandaError("no generators were given; name at least one, or a pattern such as '*'")
    folders: dict[str, Entry] = {}
    for entry in entries:
        other = folders.setdefault(entry.folder, entry)
        if other is not entry:
            raise PandaError(
                f"{other.generator} and {entry.generator} would both be called {entry.name};"
                " rename one"
            )
    return list(entries)


def _labels(text: str, name: str) -> list[int | None]:
    """Return the classes that are meant: numbers, ranges, or names that a card has for them."""
    if re.fullmatch(r"[0-9,-]+", text):
        return list(parse_numbers(text, "classes"))
    card = cards().get(name)
    return [as_label(each, card.class_names if card else ()) for each in text.split(",")]


def _names(text: str) -> list[str]:
    if is_file(text):
        return [text]
    if not re.search(r"[*?\[]", text):
        find_card(text)  # raises PandaError with the nearest names
        return [text]
    if not (names := list_generators(text)):
        raise PandaError(f"no generator matches {text!r}{nearest(text, cards())}")
    return names
