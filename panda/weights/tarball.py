"""Files from a .tgz archive: npm packages and Python source archives."""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from pathlib import PurePosixPath

from panda.errors import PandaError
from panda.files.budget import Budget


class _Unpacked(gzip.GzipFile):
    """A gzip stream whose unpacked bytes are charged: a header of tar may have any size."""

    def __init__(self, data: bytes, budget: Budget) -> None:
        super().__init__(fileobj=io.BytesIO(data), mode="rb")
        self._budget = budget

    def read(self, size: int | None = -1) -> bytes:
        """Return at most ``size`` unpacked bytes."""
        data: bytes = super().read(size)
        self._budget.spend(bytes=len(data))
        return data


def read_members(data: bytes, members: tuple[str, ...], description: str) -> dict[str, bytes]:
    """Read files of a .tgz archive; nothing is written to disk.

    Args:
        data: The archive.
        members: Paths of the wanted files.
        description: Name of the archive, for errors.

    Returns:
        The content of each wanted file, by its path.

    Raises:
        PandaError: The archive is damaged, lacks a wanted file, unpacks to more than a file of its
            size may fill, or contains a link or a path that leads out of it.
    """
    contents, budget = {}, Budget(len(data))
    try:
        stream = _Unpacked(data, budget)
        # As a stream, of which 10 KiB are unpacked at a time.
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                budget.spend(names=1)
                path = PurePosixPath(member.name)
                if (
                    not (member.isreg() or member.isdir())
                    or member.issparse()
                    or path.is_absolute()
                    or ".." in path.parts
                ):
                    raise PandaError(
                        f"{description} holds {member.name!r:.80}, which is a link or outside the"
                        " package; nothing was kept"
                    )
                file = archive.extractfile(member) if member.name in members else None
                if file is not None:
                    contents[member.name] = file.read()
    except (tarfile.TarError, EOFError, OSError, ValueError, zlib.error) as error:
        raise PandaError(f"{description} is not a whole .tgz archive: {error}") from error
    if missing := [name for name in members if name not in contents]:
        raise PandaError(f"{description} has no {missing[0]}")
    return contents
