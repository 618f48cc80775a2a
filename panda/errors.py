"""The error type that reaches users: a clear sentence, never a traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

LONGEST = 600
"""Characters of a sentence: the names that a file gives its tensors may be of any length."""


class PandaError(Exception):
    """Says what was given, what was expected, and the nearest valid choice or the remedy.

    The message is one line, whatever characters the name of a file has. A sentence that is longer
    than anyone reads loses its middle.
    """

    def __init__(self, sentence: str) -> None:
        shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in _shortened(sentence))
        super().__init__(_shortened(shown))


def _shortened(sentence: str) -> str:
    if len(sentence) <= LONGEST:
        return sentence
    return f"{sentence[: LONGEST * 2 // 3]} ... {sentence[-LONGEST // 4 :]}"


class MachineError(PandaError):
    """This machine refused something, as a full disk does: the input may be good, and is kept."""


class DiskError(MachineError):
    """A file could not be written; another one in the same place could not be, either."""


class PandaWarning(UserWarning):
    """Something was left out and the rest works: a broken plugin, a name registered twice."""


def describe_error(error: BaseException) -> str:
    """Return the type and the message of an exception in one line.

    It may come from anyone's code, so that making its text may raise in turn.
    """
    try:
        reason = (str(error).splitlines() or [""])[0]
    except Exception:
        reason = ""
    return f"{type(error).__name__}: {reason}"


def nearest(given: str, valid: Iterable[str]) -> str:
    """Return ``"; did you mean 'x' or 'y'?"``, or ``"; valid: ..."`` where no name is similar.

    Args:
        given: What the user wrote.
        valid: The valid names; of these, up to 3 similar ones or the first 8 are shown.
    """
    names = list(valid)
    close = difflib.get_close_matches(given, names, n=3, cutoff=0.5)
    if close:
        return "; did you mean " + " or ".join(repr(name) for name in close) + "?"
    shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    return f"; valid: {shown}" if names else ""
