"""Writes that are never seen half-done: a temporary name first, then a rename."""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path

from panda.errors import DiskError, PandaError, printable
from panda.files.locks import locked


def no_pipe(path: Path) -> Path:
    """Return the same path.

    Raises:
        PandaError: It is a pipe or a device, from which reading might never end.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise PandaError(f"{path} is neither a file nor a folder")
    return path


MARK = "panda-"
"""Part of the names of temporary folders, so that no other folder is taken for one."""

_STAGING = re.compile(rf"\.(.+)\.{MARK}[a-z0-9_]{{8}}", re.DOTALL)

_IN_USE: set[Path] = set()
"""Temporary folders of this process, which are locked; another lock of them would never come."""


@contextmanager
def staging(target: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``target``, which becomes ``target`` when the block succeeds.

    The block may create a file or a folder there. Whatever the block raises, nothing half-written
    stays and an earlier target remains as it was. Where ``target`` is a link, the link stays and
    what it leads to is replaced. What a killed process left of the same target is removed.

    Raises:
        PandaError: The disk is full, the folder cannot be written, no file can have this name, or
            the target is a pipe or a device.
    """
    _check_name(Path(target))
    target = Path(os.path.realpath(target)) if Path(target).is_symlink() else Path(target)
    if target.is_symlink():
        raise PandaError(f"{target} is a link that leads in a circle; name another file")
    if target.exists() and not (target.is_file() or target.is_dir()):
        raise PandaError(
            f"{target} is neither a file nor a folder and cannot be replaced; name another file"
        )
    folder: Path | None = None
    with ExitStack() as lock:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with _without_sweeps(target.parent):
                _sweep(target)
                folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.{MARK}", dir=target.parent))
                lock.enter_context(locked(folder))
                _IN_USE.add(folder)
            work = folder / target.name
            yield work
            if target.is_dir() and work.is_dir():
                with _without_sweeps(target.parent):  # of two writers, one swaps after the other
                    _swap(work, target, folder / "replaced")
            else:
                work.replace(target)
        except DiskError as error:  # of a file inside, whose path is to be that in the target
            raise DiskError(str(error).replace(str(work), str(target))) from error
        except OSError as error:
            raise DiskError(f"cannot write {target}: {error.strerror or error}") from error
        finally:
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)
                _IN_USE.discard(folder)


def _check_name(target: Path) -> None:
    """Raise `PandaError` where the system can have no file of this name, whatever is there."""
    try:
        os.lstat(target)
    except UnicodeEncodeError as error:
        raise PandaError(
            f"{str(target)!r} cannot be a file name in this locale ({error}); name another file"
        ) from error
    except ValueError as error:
        raise PandaError(
            f"{str(target)!r} contains a null character, which no file name can"
        ) from error
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise DiskError(f"cannot write {target}: {error.strerror}") from error


def _without_sweeps(folder: Path) -> AbstractContextManager[object]:
    """Keep other processes from sweeping or replacing what is inside a folder."""
    return nullcontext() if folder in _IN_USE else locked(folder, wait=True)


def sweep(target: Path) -> None:
    """Remove the temporary folders that killed processes left beside this target."""
    if target.parent.is_dir():
        with _without_sweeps(target.parent):
            _sweep(target)


def is_empty(folder: Path) -> bool:
    """Return whether a folder is empty but for the temporary folders of `staging`."""
    return all(_STAGING.fullmatch(path.name) for path in folder.iterdir())


def _sweep(target: Path) -> None:
    """Remove the temporary folders of a target that no process has locked.

    Of other targets, which may never be written again, only empty folders are removed: there the
    work was done.
    """
    for entry in os.scandir(target.parent):
        match = _STAGING.fullmatch(entry.name)
        if match and entry.is_dir(follow_symlinks=False):
            with locked(Path(entry.path)) as acquired:
                if acquired and match[1] == target.name:
                    shutil.rmtree(entry.path, ignore_errors=True)
                elif acquired:
                    with suppress(OSError):
                        Path(entry.path).rmdir()


def _swap(new: Path, target: Path, aside: Path) -> None:
    """Replace a folder, which no single rename can do; where that fails, change nothing."""
    target.rename(aside)
    try:
        new.rename(target)
    except BaseException:
        aside.rename(target)
        raise


def write_text(target: str | Path, text: str) -> None:
    """Write a text for people in UTF-8, whole or not at all.

    What names in it may have and a terminal would obey, or UTF-8 lacks, becomes an escape.

    Raises:
        PandaError: The file cannot be written.
    """
    lines = map(printable, text.split("\n"))
    with staging(target) as work:
        work.write_text("\n".join(lines), encoding="utf-8")


def check_target(target: Path) -> None:
    """Find out before the work whether its result can be written.

    Raises:
        PandaError: `staging` would raise it after the work.
    """
    if target.name in ("", ".."):
        raise PandaError(f"results cannot be written to {target}; name a new folder")
    probe = target.parent / f"{target.name}.probe"
    try:
        with staging(probe) as work:
            work.touch()
    except PandaError as error:  # of the probe, which the user has not named
        raise type(error)(str(error).replace(str(probe), str(target))) from error
    probe.unlink(missing_ok=True)
