"""Files that grow or change where they lie: never through a link, and under one name alone.

A folder of results may come from anyone. Where one of its files is a link, what it leads to is not
PandA's to write to.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import IO

from panda.errors import PandaError

NOT_THROUGH_LINKS: int = getattr(os, "O_NOFOLLOW", 0)
"""A flag of `os.open`; Windows, where few may make links, has none."""

# For reading, too: to write alone would wait for the reader of a pipe.
_FLAGS = os.O_RDWR | os.O_CREAT | NOT_THROUGH_LINKS | getattr(os, "O_BINARY", 0)


def open_in_place(path: Path) -> IO[bytes]:
    """Open a file to read and change it, at its beginning; make it where it does not exist.

    Raises:
        PandaError: It is a link, no file, or has another name (a hard link).
        OSError: The system refuses.
    """
    try:
        descriptor = os.open(path, _FLAGS, 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP or path.is_symlink():
            raise PandaError(_refusal(path, "is a link")) from error
        raise
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode) or facts.st_nlink > 1:
        os.close(descriptor)
        what = "has another name, too" if stat.S_ISREG(facts.st_mode) else "is no file"
        raise PandaError(_refusal(path, what))
    return os.fdopen(descriptor, "r+b")


def no_link(path: Path) -> Path:
    """Return the same path.

    Raises:
        PandaError: It is a link.
    """
    if path.is_symlink():
        raise PandaError(_refusal(path, "is a link"))
    return path


def no_links(folder: Path) -> None:
    """Look through a folder of results in which work is to go on.

    Raises:
        PandaError: There is a link in it.
    """
    for path, folders, files in os.walk(folder):
        for name in (*folders, *files):
            no_link(Path(path, name))


def _refusal(path: Path, what: str) -> str:
    return (
        f"{path} {what}, and results are never written to what lies elsewhere; put a copy in its"
        " place, or choose another folder"
    )
