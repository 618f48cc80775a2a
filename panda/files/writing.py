"""The cache on disk, and writes that are never seen half-done."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from panda.errors import DiskError, PandaError


def no_pipe(path: Path) -> Path:
    """The same path; raises `PandaError` for a pipe or device, which might be read for ever."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise PandaError(f"{path} is neither a file nor a folder")
    return path


MARK = "panda-"
"""In the names of temporary folders, which nobody else gives to a folder of his own."""

_STAGING = re.compile(rf"\.(.+)\.{MARK}[a-z0-9_]{{8}}", re.DOTALL)

_OURS: set[Path] = set()
"""Temporary folders of this process, which holds them; nobody else looks into those."""


@contextmanager
def staging(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``target``; it becomes ``target`` when the block succeeds.

    The block may make a file or a directory of it. Whatever it raises, nothing half-written stays
    and an earlier target is as it was; a link stays, and what it leads to is replaced. What a
    process that was killed has left of the same target is removed. Raises `PandaError` where the
    disk is full, the folder cannot be written, the name can be none, or a device is there.
    """
    if "\0" in str(target):
        raise PandaError(f"{str(target)!r} holds a null character, which no file name can")
    target = Path(os.path.realpath(target)) if target.is_symlink() else target
    if target.is_symlink():
        raise PandaError(f"{target} is a link that leads in a circle; name another file")
    if target.exists() and not (target.is_file() or target.is_dir()):
        raise PandaError(f"{target} is no file that could be replaced; name another one")
    folder: Path | None = None
    held: list[int] = []
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _held(target.parent):
            _sweep(target)
            folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.{MARK}", dir=target.parent))
            held += _hold(folder)
            _OURS.add(folder)
        work = folder / target.name
        yield work
        if target.is_dir() and work.is_dir():
            _swap(work, target, folder / "replaced")
        else:
            work.replace(target)
    except DiskError as error:  # of something inside, told by the name it was to have
        raise DiskError(str(error).replace(str(work), str(target))) from error
    except OSError as error:
        raise DiskError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
            _OURS.discard(folder)
        for descriptor in held:
            os.close(descriptor)


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Hold a folder for a moment, so that nobody takes a new one inside it for an abandoned one."""
    held = [] if folder in _OURS else _hold(folder, wait=True)
    try:
        yield
    finally:
        for descriptor in held:
            os.close(descriptor)


def _hold(folder: Path, wait: bool = False) -> list[int]:
    """A descriptor that holds the folder until it is closed; none where that cannot be had."""
    try:
        import fcntl

        descriptor = os.open(folder, os.O_RDONLY)
    except (ImportError, OSError):
        return []
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        return [descriptor]
    except OSError:
        os.close(descriptor)
        return []


def sweep(target: Path) -> None:
    """Remove what killed processes left of stagings of this target."""
    if target.parent.is_dir():
        with _held(target.parent):
            _sweep(target)


def is_empty(folder: Path) -> bool:
    """Whether nothing is in a folder but what stagings there need, or killed ones have left."""
    return all(_STAGING.fullmatch(path.name) for path in folder.iterdir())


def _sweep(target: Path) -> None:
    """Remove what nobody holds of earlier stagings of the same target: their process is gone.

    Of other targets, which may never be written again, only empty folders: their work was done.
    """
    for entry in os.scandir(target.parent):
        found = _STAGING.fullmatch(entry.name)
        if found and entry.is_dir(follow_symlinks=False):
            for descriptor in _hold(Path(entry.path)):
                if found[1] == target.name:
                    shutil.rmtree(entry.path, ignore_errors=True)
                else:
                    with suppress(OSError):
                        Path(entry.path).rmdir()
                os.close(descriptor)


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
