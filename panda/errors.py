"""The error type that reaches users: a clear sentence, never a traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from traceback import extract_tb, walk_tb

LONGEST = 600
"""Characters of a sentence: the names that a file gives its tensors may be of any length."""


LIBRARIES = {"panda", "torch", "numpy", "pluggy", "importlib", "_frozen_importlib"}
"""Packages whose lines say nothing about a fault in others' code."""


class PandaError(Exception):
    """Says what was given, what was expected, and the nearest valid choice or the remedy.

    The message is one line, whatever characters the name of a file has. A sentence that is longer
    than anyone reads loses its middle.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(_shortened(printable(_shortened(sentence))))


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


def printable(text: str, encoding: str = "utf-8") -> str:
    r"""Return text as one line that does not steer a terminal and that an encoding can hold.

    Other characters become escapes, such as ``\x1b``: names in files may have any.
    """
    line = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    return line.encode(encoding, "backslashreplace").decode(encoding)


def describe_error(error: BaseException, *, whole: bool = False) -> str:
    """Return the type and the message of an exception in one line.

    It may come from anyone's code, so that making its text may raise in turn. An assertion without
    words is described by its line in the code.

    Args:
        error: The exception.
        whole: Whether its other lines follow its first one.
    """
    try:
        lines = str(error).splitlines()
    except Exception:
        lines = []
    if not lines and isinstance(error, AssertionError) and error.__traceback__:
        lines = [extract_tb(error.__traceback__)[-1].line or ""]
    return f"{type(error).__name__}: {' '.join(lines if whole else lines[:1])}"


def place_of(error: BaseException) -> str:
    """Return the file and the line of others' code that an exception comes from, or nothing.

    Of the first package on its way that is neither ours nor a library of ours, this is the last
    line.
    """
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno}"
    frames = [
        (str(frame.f_globals.get("__name__")).partition(".")[0], frame.f_code.co_filename, line)
        for frame, line in walk_tb(error.__traceback__)
    ]
    foreign = [frame for frame in frames if frame[0] not in LIBRARIES]
    places = [f"{file}, line {line}" for name, file, line in foreign if name == foreign[0][0]]
    return places[-1] if places else ""


def nearest(given: str, valid: Iterable[str]) -> str:
    """Return ``"; did you mean 'x' or 'y'?"``, or ``"; valid: ..."`` where no name is similar.

    Args:
        given: What the user wrote.
        valid: The valid names; of these, up to 3 similar ones or the first 8 are shown.
    """
    names = list(valid)
    close = difflib.get_close_matches(str(given), names, n=3, cutoff=0.5)
    if close:
        return "; did you mean " + " or ".join(repr(name) for name in close) + "?"
    shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    return f"; valid: {shown}" if names else ""
