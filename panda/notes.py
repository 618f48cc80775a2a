"""Notes to whoever watches: lines on stderr, beside results on stdout."""

from __future__ import annotations

import sys
from contextlib import suppress


def note(text: str) -> None:
    """Print a line to stderr; the work goes on where its reader has left."""
    with suppress(OSError, ValueError):
        print(text, file=sys.stderr, flush=True)
