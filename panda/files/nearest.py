"""What a user may have meant by a path that does not exist."""

from __future__ import annotations

import difflib
from pathlib import Path


def nearest_file(path: str | Path) -> str:
    """Return ``"; did you mean 'runs/faces-2'?"`` for a path that does not exist.

    The suggestion is a similar name in the same folder. Where that folder does not exist either,
    the text names it, as it names where a link leads; where nothing is similar or the path
    exists, it is empty.
    """
    path = Path(path)
    try:
        if path.exists():
            return ""
        if path.is_symlink():
            return f"; it is a link to {path.readlink()}, which does not exist"
        if not path.parent.is_dir():
            return f"; there is no folder {path.parent}"
        names = [entry.name for entry in path.parent.iterdir() if not entry.name.startswith(".")]
    except (OSError, ValueError):  # such as a folder that cannot be read, or a null character
        return ""
    close = difflib.get_close_matches(path.name, names)
    return f"; did you mean {str(path.parent / close[0])!r}?" if close else ""
