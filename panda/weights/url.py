"""Weights in plain files on the web, read as data only."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from panda.errors import MachineError, PandaError
from panda.files.cache import home
from panda.files.nearest import nearest_file
from panda.files.writing import sweep

if TYPE_CHECKING:
    from panda.weights.download import Download


@dataclass(frozen=True)
class Url:
    """Files on the web: a checkpoint, or the files of a checkpoint folder.

    Attributes:
        files: Address of each file, by its name.
        sha256: Checksums that the publisher gives, by file name. For a file without one, that of
            the first download that was the generator is recorded, and later downloads must have it.
    """

    files: Mapping[str, str]
    sha256: Mapping[str, str] = field(default_factory=dict)

    @property
    def description(self) -> str:
        """The addresses, for messages."""
        return ", ".join(self.files.values())

    @contextmanager
    def fetch(self, local: Path | None = None) -> Iterator[Path]:
        """Download, resuming an earlier try, and yield the file or the folder.

        Args:
            local: The user's copy of the file or the folder, which is used instead of a download.

        Raises:
            PandaError: A server cannot be reached, has no such file, or sends a web page or a file
                with another checksum.
        """
        if local is not None:
            for name, pinned in self.sha256.items():
                _check(local / name if len(self.files) > 1 else local, pinned, "published")
            yield local
            return
        downloads = self._downloads()
        sums = [self._complete(download) for download in downloads]
        try:
            path = downloads[0].path
            yield path.parent if len(downloads) > 1 else path
        except MachineError:
            raise  # the download is good; it is kept for the next try
        except PandaError:  # complete, but not the generator: resuming would not help
            for download in downloads:
                download.path.unlink(missing_ok=True)
            raise
        for download, digest in zip(downloads, sums, strict=True):
            download.note({"address": download.address, "sha256": digest})
            download.path.unlink(missing_ok=True)

    def tidy(self) -> None:
        """Remove downloads that are no longer needed, such as after a kill at the last moment."""
        for download in self._downloads():
            download.path.unlink(missing_ok=True)
            sweep(download.notes_path)

    def _downloads(self) -> list[Download]:
        from panda.weights.download import Download

        folder = home() / "downloads" / hashlib.sha256(self.description.encode()).hexdigest()[:8]
        return [Download(address, folder / name) for name, address in self.files.items()]

    def _complete(self, download: Download) -> str:
        """Download a file completely, check it, and return its sha256."""
        recorded = download.notes().get("sha256")
        download.run()
        try:
            if pinned := self.sha256.get(download.path.name):
                return _check(download.path, pinned, "published")
            if recorded:
                remedy = f"; if you trust the new file, delete {download.notes_path}"
                return _check(download.path, recorded, "recorded when it was first fetched", remedy)
            return _sha256(download.path)
        except PandaError:
            download.path.unlink(missing_ok=True)
            raise


def _check(path: Path, expected: str, what: str, remedy: str = "") -> str:
    """Return the sha256 of a file; raise `PandaError` where it is not the expected one."""
    digest = _sha256(path)
    if digest != expected:
        raise PandaError(
            f"{path.name} has sha256 {digest[:16]}..., expected {expected[:16]}..., which was"
            f" {what}; it was damaged or changed, nothing was kept{remedy}"
        )
    return digest


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise PandaError(f"{path} cannot be read: {error.strerror}{nearest_file(path)}") from error
