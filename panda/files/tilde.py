"""Paths that begin with ``~``, which a shell replaces only outside of quotes and options."""

from __future__ import annotations

import os
import re
from pathlib import Path

_TILDE = re.compile(r"(?:^|(?<==))~[\w.-]*(?=/|$)")


def expand(path: str | os.PathLike[str]) -> Path:
    """Return a path in which a leading ``~`` or ``~user`` is that home folder.

    Where there is no such user, the path stays as it is.
    """
    return Path(os.path.expanduser(path))  # noqa: PTH111, pathlib's raises for an unknown user


def expand_word(word: str) -> str:
    """Return a word of a command line, such as ``~/faces`` or ``--out=~/faces``, likewise."""
    return _TILDE.sub(lambda match: str(expand(match[0])), word)
