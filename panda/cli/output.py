"""What verbs print: results to stdout, notes to stderr."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from panda.errors import printable


def say(*lines: str) -> None:
    """Print lines to stdout, at once.

    What they show of files and plugins neither steers the terminal nor fails where its encoding
    lacks a character.
    """
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    print("\n".join(printable(line, encoding) for line in lines), flush=True)  # noqa: T201


def print_json(facts: Mapping[str, Any]) -> None:
    """Print one JSON object: paths as text, and null for a figure that is not finite."""
    text = json.dumps(_plain(facts), indent=1)  # in ASCII, with all control characters but DEL
    say(*text.replace("\x7f", "\\u007f").split("\n"))


def _plain(value: Any) -> Any:
    """Return a value as JSON takes it."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value
