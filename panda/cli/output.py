"""What verbs print: results to stdout, notes to stderr."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from panda.notes import note as note


def print_json(facts: Mapping[str, Any]) -> None:
    """Print one JSON object: paths as text, and null for a figure that is not finite."""
    print(json.dumps(_plain(facts), indent=1))


def _plain(value: Any) -> Any:
    """Return a value as JSON takes it."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value
