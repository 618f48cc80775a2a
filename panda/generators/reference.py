"""How a text names a generator: ``NAME?steps=20&scheduler=ddim@a red house``."""

from __future__ import annotations

import os
import re
from collections.abc import Container, Mapping
from dataclasses import dataclass, field

from panda.errors import PandaError


@dataclass(frozen=True)
class Reference:
    """The pieces of a text that names a generator.

    Attributes:
        name: The generator's name, its checkpoint file, or a pattern.
        options: The values of its options of loading as text, by name.
        label: The class or text that it is held to, as it was written; None for all.
    """

    name: str
    options: Mapping[str, str] = field(default_factory=dict)
    label: str | None = None


def read_reference(text: str, known: Container[str]) -> Reference:
    """Take a text apart: a name or file, then options after ``?``, then a label after ``@``.

    A name may have both characters in it, where it is known or a file; and a label any.

    Args:
        text: The text.
        known: The names of generators.

    Raises:
        PandaError: For options that are no ``name=value``, or one that is given twice.
    """
    end = _end_of_name(text, known)
    name, rest = text[:end], text[end:]
    if not rest:
        return Reference(name)
    given, at, label = rest.partition("@")
    if at and not label:
        raise PandaError(f"{text!r:.80} ends with @; expected a class or text behind it")
    if re.search(r"\?[a-z]\w*=", label):
        raise PandaError(
            f"{text!r:.80}: options stand before the class or text, as in NAME?steps=20@LABEL"
        )
    options: dict[str, str] = {}
    for item in given[1:].split("&") if given else ():
        key, equals, value = item.partition("=")
        if not equals or not key or not value or key in options:
            raise PandaError(
                f"{text!r:.80}: expected options as NAME?steps=20&other=5, each once, but"
                f" {item!r:.40} was given"
            )
        options[key] = value
    return Reference(name, options, label if at else None)


def _end_of_name(text: str, known: Container[str]) -> int:
    """Return where the name ends: where there is one, or else where it may be meant to end."""
    if text in known or _exists(text):
        return len(text)
    for match in re.finditer(r"[?@]", text):
        name = text[: match.start()]
        if name in known or _exists(name):
            return match.start()
    # A question mark may also be a pattern's; folders of a missing file may have an @.
    last = re.compile(r"@|\?(?=\w+=)").search(text, text.rfind(os.sep) + 1)
    return last.start() if last and last.start() else len(text)


def _exists(name: str) -> bool:
    """Return whether a text is the path of a file or folder; pathlib raises for long ones."""
    return bool(name) and os.path.exists(name)  # noqa: PTH110
