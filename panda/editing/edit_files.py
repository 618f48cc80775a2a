"""Edit zoos: small JSON files of named edits, each with the factors that it is for.

A zoo is ``{"format": 1, "edits": {name: {...}}}``, each edit with the fields of `NamedEdit`. Other
fields, such as ``"about"``, are for people.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from panda.editing.syntax import TEXT, refuse_arrays
from panda.errors import PandaError
from panda.files.tilde import expand
from panda.generators.registry import cards
from panda.generators.seeds import parse_numbers

FORMAT = 1
OPTIONAL = ("seeds", "weights", "effect")
"""Fields that a file may leave out."""


@dataclass(frozen=True)
class NamedEdit:
    """Edits under one name, and the factors whose parts and appearances they count.

    Attributes:
        generator: The name of the generator.
        layer: The layer of the factors.
        appearances: R_C of the factors.
        parts: R_S of the factors.
        edits: Edits of any kind as text, such as ``"7:6:30"``: part 7, appearance 6, strength 30.
            Files that they name lie beside the zoo.
        seeds: Those of the fit, such as ``"0-999"``, where nothing else is needed to make the same
            factors again (`panda.factorization.cached`); else empty.
        weights: The digest of the generator's weights (`Factors.digest`), or empty.
        effect: What it does, and on how many faces, in words.
        file: The zoo that it was read from, which is not part of it.
    """

    generator: str
    layer: str
    appearances: int
    parts: int
    edits: tuple[str, ...]
    seeds: str = ""
    weights: str = ""
    effect: str = ""
    file: str = field(default="", compare=False)


def read_edits(path: str | Path) -> dict[str, NamedEdit]:
    """Return every edit of a zoo by name.

    Raises:
        PandaError: Where the file cannot be read or is something else.
    """
    from panda.files.budget import load_json

    path = expand(path)
    try:
        content = load_json(path)
    except OSError as error:
        raise PandaError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise PandaError(f"{path} is no edit zoo: no JSON in UTF-8 ({error})") from error
    whole = content if isinstance(content, dict) else {}
    edits, version = whole.get("edits"), whole.get("format")
    if not isinstance(edits, dict) or type(version) is not int or version != FORMAT:
        raise PandaError(
            f"{path} is no edit zoo: expected a JSON object with format {FORMAT} and edits by name"
        )
    return {name: _edit(path, name, facts) for name, facts in edits.items()}


def named_edits(generator: str = "") -> dict[str, NamedEdit]:
    """Return the named edits that come with generators.

    Of two of one name, that of this generator, or else the first.
    """
    edits: dict[str, NamedEdit] = {}
    for zoo in zoos():
        own = {name: edit for name, edit in zoo.items() if edit.generator == generator}
        edits = {**zoo, **edits, **own}
    return edits


def zoos() -> list[dict[str, NamedEdit]]:
    """Return the zoos that come with generators."""
    files = dict.fromkeys(card.edits for card in cards().values() if card.edits)
    return [read_edits(file) for file in files]


def write_edits(path: str | Path, zoo: Mapping[str, NamedEdit]) -> None:
    """Write a zoo.

    Raises:
        PandaError: Where `read_edits` would refuse it, or the file cannot be written.
    """
    from panda.files.writing import staging

    path = expand(path)
    text = edits_text(zoo, path)
    with staging(path) as work:
        work.write_text(text, encoding="utf-8")


def edits_text(zoo: Mapping[str, NamedEdit], path: Path = Path("zoo")) -> str:
    """Return the content of a zoo's file.

    Raises:
        PandaError: As `write_edits` does, with ``path`` as the name of the file.
    """
    edits = {name: facts_of(_edit(path, name, asdict(edit))) for name, edit in zoo.items()}
    return json.dumps({"format": FORMAT, "edits": edits}, indent=1) + "\n"


def facts_of(edit: NamedEdit) -> dict[str, Any]:
    """Return an edit as it stands in a zoo."""
    facts = asdict(edit)
    del facts["file"]
    return {name: value for name, value in facts.items() if value or name not in OPTIONAL}


def _edit(path: Path, name: str, facts: object) -> NamedEdit:
    """Return the edit that ``facts`` describe; only the fields of `NamedEdit` count."""
    if not _is_name(name) or not isinstance(facts, dict):
        raise PandaError(f"{path}: {name!r:.60} is no short name of an edit with its fields")
    values: dict[str, Any] = {key: facts.get(key, "" if key in OPTIONAL else None) for key in KINDS}
    for key, value in values.items():
        fits, expected = KINDS[key]
        if not fits(value):
            if key == "edits":
                refuse_arrays(str(value))
            given = f"{value!r:.60}" if key in facts else "missing"
            raise PandaError(f"{path}: {key!r} of edit {name!r} is {given}, expected {expected}")
    return NamedEdit(**values | {"edits": tuple(values["edits"])}, file=str(path))


def _is_name(value: object) -> bool:
    return isinstance(value, str) and value.isprintable() and 0 < len(value) <= 200


def _is_generator(value: object) -> bool:
    return isinstance(value, str) and value.isprintable() and 0 < len(value) <= 4096


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}|", value) is not None


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= 1000 and (value == "" or value.isprintable())


def _is_rank(value: object) -> bool:
    return type(value) is int and 0 < value < 1_000_000


def _are_edits(value: object) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) > 0
        and all(isinstance(text, str) and TEXT.fullmatch(text.strip()) for text in value)
    )


def _are_seeds(value: object) -> bool:
    try:
        return value == "" or (isinstance(value, str) and bool(parse_numbers(value)))
    except PandaError:
        return False


KINDS = {
    "generator": (_is_generator, "a name or a path"),
    "layer": (_is_name, "a short name"),
    "appearances": (_is_rank, "a whole number above zero"),
    "parts": (_is_rank, "a whole number above zero"),
    "edits": (_are_edits, "a list such as ['7:6:30', '3+5:p0:2.5sd']"),
    "seeds": (_are_seeds, "seeds such as '0-999'"),
    "weights": (_is_digest, "a sha256"),
    "effect": (_is_text, "a text"),
}
