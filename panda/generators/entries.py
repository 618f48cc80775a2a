"""Generators as people name them: names, patterns, files, and single classes of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from panda.errors import PandaError, nearest
from panda.generators.registry import cards, find_card, is_file, list_generators
from panda.generators.seeds import parse_numbers


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
