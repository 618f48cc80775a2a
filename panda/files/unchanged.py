"""Files that another program writes while they are read: a sentence, no mixture of two states."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from panda.errors import PandaError


@contextmanager
def unchanged(*paths: Path) -> Iterator[None]:
    """Find out whether files, or the files of folders, stay as they are during the block.

    Args:
        *paths: What the block reads, in several steps.

    Raises:
        PandaError: One of them has changed, whatever the block made of that.
    """
    before = [_state(path) for path in paths]
    try:
        yield
    finally:
        for path, state in zip(paths, before, strict=True):
            if _state(path) != state:
                raise PandaError(
                    f"{path} changed while it was read; let what writes it finish, and try again"
                )


def _state(path: Path) -> list[tuple[str, int, int, int]]:
    """Return names, sizes, times and numbers of a file, or of everything in a folder."""
    try:
        return [_facts(entry) for entry in (sorted(path.iterdir()) if path.is_dir() else [path])]
    except OSError:
        return []


def _facts(path: Path) -> tuple[str, int, int, int]:
    facts = path.stat()
    return path.name, facts.st_size, facts.st_mtime_ns, facts.st_ino
