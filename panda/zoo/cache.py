"""The cache on disk, and writes that are never seen half-done."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from panda.errors import PandaError


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
        raise PandaError(f"cannot write to {home()}: {error.strerror}") from error
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
        raise PandaError(f"cannot write to {home()}: {error.strerror}") from error
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


@contextmanager
def staging(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``target``; it becomes ``target`` when the block succeeds.

    The block may make a file or a directory of it. Whatever it raises, nothing half-written stays
    and an earlier target is as it was; a link stays, and what it leads to is replaced. Raises
    `PandaError` where the disk is full, the folder cannot be written, or a device is there.
    """
    target = target.resolve() if target.is_symlink() else target
    if target.exists() and not (target.is_file() or target.is_dir()):
        raise PandaError(f"{target} is no file that could be replaced; name another one")
    folder: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        work = folder / target.name
        yield work
        if target.is_dir() and work.is_dir():
            _swap(work, target, folder / "replaced")
        else:
            work.replace(target)
    except OSError as error:
        raise PandaError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _swap(new: Path, target: Path, aside: Path) -> None:
    """Put a directory in another's place, which no single rename can do, or change nothing."""
    target.rename(aside)
    try:
        new.rename(target)
    except BaseException:
        aside.rename(target)
        raise


def check_target(target: Path) -> None:
    """Raise `PandaError` now where `staging` would raise it after the work."""
    if target.name in ("", ".."):
        raise PandaError(f"results cannot be written to {target}; name a new folder")
    with staging(target.parent / f"{target.name}.probe") as probe:
        probe.touch()
    (target.parent / f"{target.name}.probe").unlink(missing_ok=True)
