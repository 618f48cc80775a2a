"""JSON files, whole or one row a line, whose damage is a sentence."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from panda.errors import DiskError, PandaError
from panda.files.budget import load_json
from panda.files.in_place import open_in_place
from panda.files.writing import no_pipe

Row = dict[str, Any]


def append_rows(file: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Add rows to a file, each on a line of its own.

    A half-written last line, which a killed process or a full disk has left, is cut off first.

    Raises:
        PandaError: Where the file cannot be written, or is a link.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with open_in_place(file) as lines:
            if lines.seek(0, os.SEEK_END):
                lines.seek(-1, os.SEEK_END)
                if lines.read() != b"\n":
                    lines.seek(0)
                    lines.seek(lines.truncate(lines.read().rfind(b"\n") + 1))
            lines.write("".join(json.dumps(row) + "\n" for row in rows).encode())
    except OSError as error:
        raise DiskError(f"cannot write {file}: {error.strerror}") from error


def read_rows(file: Path, valid: Callable[[Row], bool] = lambda row: True) -> list[Row]:
    """Read the rows of a file; a half-written last line is left out, as `append_rows` cuts it off.

    Args:
        file: Of JSON objects, one a line.
        valid: Whether a row has what its reader needs of it.

    Raises:
        PandaError: Where another line is damaged or not valid, or the file cannot be read.
    """
    try:
        *lines, _ = no_pipe(file).read_bytes().split(b"\n")
    except OSError as error:
        raise PandaError(f"{file} cannot be read: {error.strerror}") from error
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict) or not valid(row):
            raise PandaError(
                f"{file}, line {number}, is damaged: {line.decode(errors='replace')[:60]!r};"
                " delete the line, and what it held is made again"
            )
        rows.append(row)
    return rows


def read_json(path: Path, what: str, remedy: str = "delete it to have it made again") -> Row:
    """Read a file of one JSON object.

    Args:
        path: The file.
        what: What it should hold, such as ``"the settings of a benchmark"``.
        remedy: What to do where it is damaged.

    Raises:
        PandaError: Where the file cannot be read or holds anything else.
    """
    try:
        content = load_json(path)
    except OSError as error:
        raise PandaError(f"{path} cannot be read: {error.strerror}; {remedy}") from error
    except (ValueError, RecursionError) as error:
        raise PandaError(f"{path} is damaged, expected {what} ({error}); {remedy}") from error
    if not isinstance(content, dict):
        raise PandaError(f"{path} is damaged, expected {what}; {remedy}")
    return content
