"""The cache folder: where it is, and how processes that write into it keep apart."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from panda.errors import DiskError
from panda.files.locks import lock_file, locked
from panda.files.writing import MARK, sweep_all
from panda.notes import note


def home() -> Path:
    """Return PANDA_HOME, or ``panda`` in the user's cache folder (XDG). It need not exist yet."""
    if chosen := os.environ.get("PANDA_HOME"):
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base).expanduser() if base else Path.home() / ".cache") / "panda"


@contextmanager
def workspace() -> Iterator[Path]:
    """Yield an empty folder in the cache and remove it afterwards.

    Raises:
        PandaError: The cache cannot be written.
    """
    try:
        home().mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(prefix=f".fetch.{MARK}", dir=home())
    except OSError as error:
        raise DiskError(f"cannot write to {home()}: {error.strerror}") from error
    with folder as name:
        yield Path(name)


@contextmanager
def lock() -> Iterator[None]:
    """Lock the cache against other processes that fetch into it, and wait for one that does.

    Whatever lies half-done in a cache that is locked was left by a process that was killed, and is
    removed. Where files cannot be locked, the block runs without a lock and nothing is removed.

    Raises:
        PandaError: The cache cannot be written.
    """
    file = lock_file(home())
    with ExitStack() as stack:
        acquired = stack.enter_context(locked(file))
        if acquired is False:
            note("waiting for another process that fetches weights")
            acquired = stack.enter_context(locked(file, wait=True))
        if acquired:
            for folder in (home(), home() / "generators", *home().glob("downloads/*")):
                sweep_all(folder)
        yield
