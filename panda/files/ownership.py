"""What PandA wrote into a folder, so that it replaces that and nothing else.

A folder of results has a file, `MANIFEST`, with the sha256 of each of its other files. What it does
not list, and what has changed since, is the user's: a folder with such a file is not replaced, nor
is such a file.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from panda.errors import DiskError, PandaError
from panda.files.locks import locked
from panda.files.writing import check_target, staging

MANIFEST = "made_by_panda.json"

LITTER = frozenset({".DS_Store", ".directory", "Thumbs.db", "desktop.ini"})
"""What file managers leave in each folder that somebody looks at; nobody misses it."""

Digests = dict[str, list[str]]
"""The sha256 of each file, by its path in the folder: one, or two while it is being replaced."""


@contextmanager
def replacing(
    folder: Path, what: str, earlier: Callable[[Path], bool] = lambda folder: False
) -> Iterator[Path]:
    """Yield an empty temporary folder that takes the place of ``folder`` when the block succeeds.

    Args:
        folder: The folder, in an existing one or not.
        what: What it holds, such as ``"factors"``; what holds anything else is not replaced.
        earlier: Whether a folder without a manifest holds it, too.

    Raises:
        PandaError: Where `check_folder` raises it, or the folder cannot be written.
    """
    with staging(folder, lambda old: _check_folder(old, what, earlier, folder)) as work:
        work.mkdir()
        yield work
        _write(work / MANIFEST, what, _digests(work, _files(work)))


def check_folder(
    folder: Path, what: str, earlier: Callable[[Path], bool] = lambda folder: False
) -> None:
    """Find out before the work whether `replacing` can write its result.

    Args:
        folder: The folder; it need not exist.
        what: What it should hold.
        earlier: Whether a folder without a manifest holds it, too.

    Raises:
        PandaError: It holds anything but what `replacing` wrote, or cannot be written.
    """
    check_target(folder)
    _check_folder(folder, what, earlier, folder)


def _check_folder(folder: Path, what: str, earlier: Callable[[Path], bool], called: Path) -> None:
    """Raise `PandaError`, with the name that a folder is called by, unless it may be replaced."""
    if not folder.exists():
        return
    files = _files(folder) if folder.is_dir() else ()
    if folder.is_dir() and (not files or earlier(folder)):
        return
    written = _read(folder, what)
    if written is None:
        raise PandaError(f"{called} exists and holds no {what}; choose another folder")
    _refuse(called, [name for name in files if not _is_written(folder, name, written)])


@contextmanager
def updating(folder: Path, what: str) -> Iterator[Path]:
    """Yield an empty temporary folder whose files go into ``folder`` when the block succeeds.

    Each of them replaces one of that name if `updating` wrote that, too; everything else in the
    folder stays.

    Args:
        folder: The folder, which is made where it does not exist.
        what: What it holds.

    Raises:
        PandaError: Where `check_files` raises it, or the folder cannot be written.
    """
    with staging(folder / MANIFEST) as manifest:
        work = manifest.with_name("new")
        work.mkdir()
        try:
            yield work
            digests = _digests(work, _files(work))
            with locked(folder, wait=True):  # of two writers, one comes after the other
                _check_files(folder, what, digests)
                before = _read(folder, what) or {}
                # Whatever a kill leaves in the middle of it is known as PandA's.
                both = {name: before.get(name, []) + digests[name] for name in digests}
                _write(work / MANIFEST, what, before | both)
                for name in (MANIFEST, *digests):
                    (work / name).replace(folder / name)
                _write(manifest, what, before | digests)
        except DiskError as error:
            raise DiskError(str(error).replace(str(work), str(folder))) from error


def check_files(folder: Path, what: str, names: Iterable[str]) -> None:
    """Find out before the work whether `updating` can write files into a folder.

    Args:
        folder: The folder; it need not exist.
        what: What it should hold.
        names: The files.

    Raises:
        PandaError: One of them exists, and `updating` has not written it or it has changed since;
            or the folder has other results, or cannot be written.
    """
    check_target(folder)
    if folder.exists() and not folder.is_dir():
        raise PandaError(f"{folder} is a file; name a folder for the results")
    if folder.exists():
        check_target(folder / MANIFEST)
    _check_files(folder, what, names)


def _check_files(folder: Path, what: str, names: Iterable[str]) -> None:
    written = _read(folder, what)
    if written is None and os.path.lexists(folder / MANIFEST):
        raise PandaError(f"{folder} holds other results than {what}; choose another folder")
    given = [name for name in names if os.path.lexists(folder / name)]
    _refuse(folder, [name for name in given if not _is_written(folder, name, written or {})])


def withdraw(
    folder: Path, files: Iterable[str], folders: Iterable[str], made: Iterable[Path]
) -> None:
    """Remove what a run that was refused has left in a folder of results, if it made nothing else.

    Args:
        folder: The folder.
        files: The names of the files that every run makes before its work.
        folders: The folders in it, and in those, that may be empty.
        made: What the run has made of the folder and those above it, the innermost first.
    """
    for name in folders:
        for path in (*folder.glob(f"{name}/*"), folder / name):
            with suppress(OSError):  # where something is in it
                path.rmdir()
    if {path.name for path in folder.iterdir()} <= set(files):
        for name in files:
            (folder / name).unlink(missing_ok=True)
        for path in made:
            with suppress(OSError):
                path.rmdir()


def _refuse(folder: Path, names: Iterable[str]) -> None:
    """Raise `PandaError` where there are names of files that are not PandA's."""
    if names := sorted(names):
        shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        raise PandaError(
            f"{folder} holds what PandA did not write, or what has changed since ({shown}); move it"
            " away, or choose another folder"
        )


def _files(folder: Path) -> list[str]:
    """Return the paths of everything in a folder that is no folder, and of its empty folders."""
    names = []
    for path, folders, files in os.walk(folder):
        links = [name for name in folders if Path(path, name).is_symlink()]
        names += [Path(path, name) for name in (*links, *files) if name not in LITTER]
        if not (folders or files) and Path(path) != folder:
            names.append(Path(path))
    return [name.relative_to(folder).as_posix() for name in names if name.name != MANIFEST]


def _digests(folder: Path, names: Iterable[str]) -> Digests:
    return {name: [_sha256(folder / name)] for name in sorted(names)}


def _is_written(folder: Path, name: str, written: Mapping[str, list[str]]) -> bool:
    """Return whether a file is as a manifest says."""
    path = folder / name
    if path.is_symlink() or not path.is_file():
        return False
    return _sha256(path) in written.get(name, ())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(folder: Path, what: str) -> Digests | None:
    """Return what a manifest says; None where there is none, or of something else."""
    path = folder / MANIFEST
    if path.is_symlink() or not path.is_file():
        return None
    try:
        content = json.loads(path.read_bytes())
        if content["what"] != what:
            return None
        return {str(name): list(digests) for name, digests in content["files"].items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def _write(path: Path, what: str, files: Digests) -> None:
    content = {"what": what, "files": dict(sorted(files.items()))}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
