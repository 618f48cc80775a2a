"""Notes to whoever watches: lines on stderr, beside results on stdout."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from panda.errors import printable

DEBUG = "PANDA_DEBUG"
"""The variable that has errors bring the place in the code where they were raised."""


def note(text: str) -> None:
    """Print a line to stderr; the work goes on where its reader has left."""
    stream = sys.stderr
    if stream is not None:  # closed by the shell: 2>&-
        with suppress(OSError, ValueError):
            encoding = getattr(stream, "encoding", None) or "utf-8"
            print(printable(text, encoding), file=stream, flush=True)


def note_traceback(error: BaseException) -> None:
    """Print where an error was raised, and what caused it, if PANDA_DEBUG is set."""
    if os.environ.get(DEBUG, "0") not in ("", "0"):
        for line in "".join(traceback.format_exception(error)).splitlines():
            note(line)


@contextmanager
def tracebacks(shown: bool) -> Iterator[None]:
    """Set PANDA_DEBUG within this context, also for processes started in it, if ``shown``."""
    before = os.environ.get(DEBUG)
    if shown:
        os.environ[DEBUG] = "1"
    try:
        yield
    finally:
        if shown and before is None:
            del os.environ[DEBUG]
        elif shown and before is not None:
            os.environ[DEBUG] = before
