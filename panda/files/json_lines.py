"""Files with a row of JSON on each line, which grow while they are used."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from panda.errors import DiskError


def append(file: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Append rows of JSON to a file, each on its own line.

    A row that a killed process or a full disk cut short keeps its own line, which readers skip.

    Raises:
        PandaError: The file cannot be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a+b") as lines:
            if lines.tell():
                lines.seek(-1, os.SEEK_END)
                lines.write(b"" if lines.read() == b"\n" else b"\n")
            lines.write("".join(json.dumps(row) + "\n" for row in rows).encode())
    except OSError as error:
        raise DiskError(f"cannot write {file}: {error.strerror}") from error
