"""Edit zoos: small JSON files of named edits, each with the factors that it is for.

A zoo is ``{"format": 1, "edits": {name: {...}}}``, each edit with the fields of `NamedEdit`. What
else it holds, such as ``"about"``, is for people.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from panda.errors import PandaError

FORMAT = 1


@dataclass(frozen=True)
class NamedEdit:
    """Edits under one name, and the factors whose parts and appearances they count.

    ``appearances`` and ``parts`` are R_C and R_S of those factors. ``edits`` are such as
    ``"7:6:30"``: part 7, appearance 6, strength 30.
    """

    generator: str
    layer: str
    appearances: int
    parts: int
    edits: tuple[str, ...]


def read_zoo(path: str | Path) -> dict[str, NamedEdit]:
    """Every edit of a zoo by name; raises `PandaError` where the file is something else."""
    path = Path(path)
    try:
        content = json.loads(path.read_text())
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise ValueError(f"expected a JSON object with format {FORMAT}")
        return {name: _edit(name, facts) for name, facts in content["edits"].items()}
    except OSError as error:
        raise PandaError(f"{path} cannot be read: {error.strerror}") from error
    except KeyError as error:
        raise PandaError(f"{path} is no edit zoo: {error} is missing") from error
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise PandaError(f"{path} is no edit zoo: {error}") from error


def write_zoo(path: str | Path, zoo: Mapping[str, NamedEdit]) -> None:
    """Write a zoo; raises `PandaError` where the file cannot be written."""
    from panda.zoo.cache import staging

    edits = {name: asdict(edit) for name, edit in zoo.items()}
    with staging(Path(path)) as work:
        work.write_text(json.dumps({"format": FORMAT, "edits": edits}, indent=1) + "\n")


def _edit(name: str, facts: Mapping[str, Any]) -> NamedEdit:
    edit = NamedEdit(**{**facts, "edits": tuple(facts["edits"])})
    texts = (edit.generator, edit.layer, *edit.edits)
    ranks = (edit.appearances, edit.parts)
    if (
        not edit.edits
        or isinstance(facts["edits"], str)
        or not all(type(text) is str for text in texts)
        or not all(type(rank) is int and rank > 0 for rank in ranks)
    ):
        raise ValueError(f"{name!r} is {dict(facts)}, expected names, ranks and a list of edits")
    return edit
