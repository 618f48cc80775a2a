"""Writes that are never seen half-done: a temporary name first, then a rename."""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path

from panda.errors import DiskError, PandaError, printable
from panda.files.exchange import exchange, put_back
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
def staging(
    target: str | Path, check: Callable[[Path], None] = lambda earlier: None
) -> Iterator[Path]:
    """Yield a temporary path beside ``target``, which becomes ``target`` when the block succeeds.

    The block may create a file or a folder there. Whatever the block raises, nothing half-written
    stays and an earlier target remains as it was. Where ``target`` is a link, the link stays and
    what it leads to is replaced. What a killed process left of the same target is removed.

    Args:
        target: A file or a folder.
        check: Raises an error where an earlier folder must not be replaced. It is called before
            the two change places, and again when nobody adds files to the earlier one any more.

    Raises:
        PandaError: The disk is full, the folder cannot be written, no file can have this name, or
            the target is a pipe or a device.
    """
    target = _resolved(Path(target))
    folder, missing = None, missing_parents(target)
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
                check(target)
                shutil.copymode(target, work)  # who may read the old results may read the new ones
                with _without_sweeps(target.parent):  # of two writers, one swaps after the other
                    _swap(work, target, check)
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
            for parent in missing:  # where nothing was written after all
                with suppress(OSError):
                    parent.rmdir()


def _resolved(target: Path) -> Path:
    """Return what is to be written where ``target`` is a link; refuse what cannot be replaced."""
    _check_name(target)
    if target.is_symlink():
        target = Path(os.path.realpath(target))
    if target.is_symlink():
        raise PandaError(f"{target} is a link that leads in a circle; name another file")
    if target.exists() and not (target.is_file() or target.is_dir()):
        raise PandaError(
            f"{target} is neither a file nor a folder and cannot be replaced; name another file"
        )
    return target


def missing_parents(target: Path) -> list[Path]:
    """Return the folders above a path that do not exist yet, the innermost first."""
    return [parent for parent in target.parents if not parent.exists()]


def _swap(new: Path, target: Path, check: Callable[[Path], None]) -> None:
    """Exchange two folders; back again, where the earlier one must not be replaced after all."""
    exchange(new, target)
    try:
        check(new)
    except BaseException:
        exchange(new, target)
        raise


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
    """Remove the temporary folders that killed processes left beside this target.

    A folder that was being replaced when the process was killed takes its place again.
    """
    if target.parent.is_dir():
        with _without_sweeps(target.parent):
            _sweep(target)


def sweep_all(folder: Path) -> None:
    """Do what `sweep` does for every target in a folder, which need not exist."""
    if folder.is_dir():
        matches = [_STAGING.fullmatch(path.name) for path in folder.iterdir()]
        for name in {match[1] for match in matches if match}:
            sweep(folder / name)


def is_temporary(name: str) -> bool:
    """Return whether a name is that of a temporary folder of `staging`."""
    return _STAGING.fullmatch(name) is not None


def is_empty(folder: Path) -> bool:
    """Return whether a folder is empty but for the temporary folders of `staging`."""
    return all(is_temporary(path.name) for path in folder.iterdir())


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
                    put_back(Path(entry.path), target)
                    shutil.rmtree(entry.path, ignore_errors=True)
                elif acquired:
                    with suppress(OSError):
                        Path(entry.path).rmdir()


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
    """Find out before the work whether its result can be written, and leave no trace.

    Raises:
        PandaError: `staging` would raise it after the work.
    """
    if target.name in ("", ".."):
        raise PandaError(f"results cannot be written to {target}; name a new folder")
    target = _resolved(target)
    missing = missing_parents(target)
    folder = missing[-1].parent if missing else target.parent
    try:
        for parent in missing:
            with suppress(FileNotFoundError):
                (folder / parent.name).lstat()  # raises where no folder can have this name
        if not missing:
            sweep(target)
        Path(tempfile.mkdtemp(prefix=f".{target.name}.{MARK}", dir=folder)).rmdir()
    except OSError as error:
        raise DiskError(f"cannot write {target}: {error.strerror or error}") from error
