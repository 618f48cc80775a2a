"""Two paths change places: in one step where the system has one, else so that it can be undone."""

from __future__ import annotations

import errno
import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path

ASIDE = "replaced"
"""The name under which a folder waits while another one takes its place."""

_HERE = -100
"""AT_FDCWD: paths are relative to the current directory."""

_EXCHANGE = 2
"""RENAME_EXCHANGE of Linux, and RENAME_SWAP of macOS."""

_UNABLE = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM}
"""How a kernel or a file system says that it cannot exchange."""


def exchange(new: Path, target: Path) -> None:
    """Let two existing paths of a file system change places, beside each other or not.

    Where no single step does it, there are three renames; whatever fails on the way is undone. What
    a kill between them leaves is put back by `put_back`.

    Raises:
        OSError: They cannot; both are where they were.
    """
    if _exchanged(new, target):
        return
    aside = new.with_name(ASIDE)
    target.rename(aside)
    try:
        new.rename(target)
    except BaseException:
        aside.rename(target)
        raise
    aside.rename(new)


def put_back(folder: Path, target: Path) -> None:
    """Give ``target`` its place again, which a kill in `exchange` has left empty.

    Args:
        folder: Where the new one lay.
        target: What it was to replace.
    """
    if not os.path.lexists(target) and (folder / ASIDE).exists():
        (folder / ASIDE).rename(target)


def _exchanged(new: Path, target: Path) -> bool:
    """Exchange in a single step, and return whether there is one."""
    number = _system_call()(os.fsencode(new), os.fsencode(target))
    if number and number not in _UNABLE:
        raise OSError(number, os.strerror(number))
    return not number


@functools.cache
def _system_call() -> Callable[[bytes, bytes], int]:
    """Return the system's exchange of two paths, which returns 0 or the number of an error."""
    import ctypes  # here, since most commands replace nothing

    try:
        library = ctypes.CDLL(None, use_errno=True)
        call = library.renamex_np if sys.platform == "darwin" else library.renameat2
    except (OSError, AttributeError, TypeError):  # Windows, or a library without it
        return lambda new, target: errno.ENOSYS

    def system_call(new: bytes, target: bytes) -> int:
        paths = (new, target) if sys.platform == "darwin" else (_HERE, new, _HERE, target)
        return ctypes.get_errno() if call(*paths, _EXCHANGE) else 0

    return system_call
