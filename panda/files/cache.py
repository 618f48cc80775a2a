"""The cache folder: where it is, and how processes that write into it keep apart."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from panda.errors import DiskError


def home() -> Path:
    """PANDA_HOME, or ``panda`` in the user's cache folder (XDG). It need not exist yet."""
    if chosen := os.environ.get("PANDA_HOME"):
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base).expanduser() if base else Path.home() / ".cache") / "panda"


@contextmanager
def workspace() -> Iterator[Path]:
    """Yield an empty folder in the cache, gone afterwards; raises `PandaError` where it cannot."""
    try:
        home().mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(prefix=".fetch-", dir=home())
    except OSError as error:
        raise DiskError(f"cannot write to {home()}: {error.strerror}") from error
    with folder as name:
        yield Path(name)


@contextmanager
def lock() -> Iterator[None]:
    """Hold the cache against other processes that fetch into it, and wait for one that does.

    What lies half-done in the cache then is of a process that was killed, and is removed. The
    system frees the lock when a process ends, however it ends. Where files cannot be locked
    (Windows, some network disks), nothing is held. Raises `PandaError` where the cache cannot be
    written.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    try:
        home().mkdir(parents=True, exist_ok=True)
        file = (home() / ".lock").open("w")
    except OSError as error:
        raise DiskError(f"cannot write to {home()}: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("waiting for another process that fetches weights", file=sys.stderr)
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:
            yield
            return
        for pattern in (".fetch-*", "generators/.*", "downloads/*/.*"):
            for leftover in home().glob(pattern):
                shutil.rmtree(leftover, ignore_errors=True)
        yield
