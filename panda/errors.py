"""The one error type that reaches users: a clear sentence, never a traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

LONGEST = 600
"""Characters of a sentence: what a file calls its tensors and layers may be of any length."""


class PandaError(Exception):
    """What was given, what was expected, and the nearest valid choice or the command that helps.

    A sentence that is longer than anyone reads loses its middle. It is one line, whatever the name
    of a file holds.
    """

    def __init__(self, sentence: str) -> None:
        sentence = "".join(c if c.isprintable() else repr(c)[1:-1] for c in sentence)
        if len(sentence) > LONGEST:
            sentence = f"{sentence[: LONGEST * 2 // 3]} ... {sentence[-LONGEST // 4 :]}"
        super().__init__(sentence)


class MachineError(PandaError):
    """What this machine refused, such as a full disk: the input may be good, and is kept."""


class DiskError(MachineError):
    """A file that could not be written: others in its place cannot be, either."""


class PandaWarning(UserWarning):
    """Something was left out, and the rest works: a broken plugin, a name registered twice."""


def describe_error(error: BaseException) -> str:
    """What another's code raised, in one line; its own text may fail to be made."""
    try:
        reason = (str(error).splitlines() or [""])[0]
    except Exception:
        reason = ""
    return f"{type(error).__name__}: {reason}"


def nearest(given: str, valid: Iterable[str]) -> str:
    """Return ``"; did you mean 'x' or 'y'?"``, or the first valid names where nothing is near."""
    names = list(valid)
    close = difflib.get_close_matches(given, names, n=3, cutoff=0.5)
    if close:
        return "; did you mean " + " or ".join(repr(name) for name in close) + "?"
    shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    return f"; valid: {shown}" if names else ""
