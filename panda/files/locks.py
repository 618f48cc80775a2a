"""Folders that one process holds against all others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from panda.errors import DiskError, PandaError


@contextmanager
def hold_folder(folder: Path, name: str = ".lock", *, wait: bool = False) -> Iterator[None]:
    """Hold a folder, made where it is none, against other runs that hold it by the same name.

    The system lets go of it when the process ends, however it ends; where files cannot be locked,
    nothing is held. Raises `PandaError` where another run is at work there, unless it is to wait
    for that, and where nothing can be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / name).open("w")
    except OSError as error:
        raise DiskError(f"cannot write to {folder}: {error.strerror}") from error
    with file:
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise PandaError(
                f"another run is at work in {folder}; wait for it, or end it"
            ) from None
        except (ImportError, OSError):
            pass
        yield
