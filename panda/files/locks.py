"""Locks between processes. The system releases them when a process ends, however it ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from panda.errors import DiskError, PandaError
from panda.files.in_place import NOT_THROUGH_LINKS, open_in_place

POLL = 0.01
"""Seconds between two tries to get a lock that another process has."""


@contextmanager
def locked(path: Path, *, wait: bool = False) -> Iterator[bool | None]:
    """Lock a file or folder during the block, and yield whether that worked.

    Its descriptor is locked, not a lock file beside it as `FileLock` does: such files would stay in
    the user's folders.

    Args:
        path: What to lock; it must exist. A link to a file is not followed.
        wait: Whether to wait for another process that has the lock.

    Yields:
        True with the lock, False where another process has it or has just removed the file, None
        where it cannot be locked: folders on Windows, files on some network disks.
    """
    try:
        flags = os.O_RDONLY if path.is_dir() else os.O_RDWR | NOT_THROUGH_LINKS
        descriptor = os.open(path, flags)
    except OSError:
        yield None
        return
    try:
        acquired = _lock(descriptor, wait)
        yield acquired and _is(path, descriptor)
    finally:
        os.close(descriptor)


def _is(path: Path, descriptor: int) -> bool:
    """Return whether a path still leads to an open file: the lock of another file is none."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except OSError:
        return False


def _lock(descriptor: int, wait: bool) -> bool | None:
    """Lock an open descriptor until it is closed; return what `locked` yields."""
    from filelock import lock_descriptor  # here, since commands that lock nothing start faster

    try:
        return lock_descriptor(descriptor, blocking=wait, poll_interval=POLL)
    except OSError:
        return None


def lock_file(folder: Path, name: str = ".lock") -> Path:
    """Return the lock file of a folder; make both where they do not exist.

    Raises:
        PandaError: The folder cannot be written, or the file is a link.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        open_in_place(folder / name).close()
    except OSError as error:
        raise DiskError(f"cannot write to {folder}: {error.strerror}") from error
    return folder / name


@contextmanager
def hold_folder(folder: Path, name: str = ".lock", *, wait: bool = False) -> Iterator[None]:
    """Lock a folder against other runs that lock it under the same name.

    Where files cannot be locked, the block runs without a lock.

    Args:
        folder: The folder, which is made where it does not exist.
        name: The name of the lock file in it.
        wait: Whether to wait for another run instead of refusing.

    Raises:
        PandaError: Another run has the lock, or the folder cannot be written.
    """
    with locked(lock_file(folder, name), wait=wait) as acquired:
        if acquired is False:
            raise PandaError(f"another run is at work in {folder}; wait for it, or end it")
        yield
