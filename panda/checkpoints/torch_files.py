"""Files of `torch.save`: a zip (`torch.jit.save` writes one too), or the older stream of pickles.

`torch.load(weights_only=True)` is not used: on crafted files it could corrupt memory up to torch
2.9 (CVE-2026-24747), and it allocates what a file declares before it checks that.
"""

from __future__ import annotations

import functools
import io
import zipfile
from collections.abc import Callable
from typing import Any

from panda.checkpoints.checkpoint import Checkpoint
from panda.checkpoints.pickles import Record, Stream, describe, parse
from panda.checkpoints.state_dicts import find_generator
from panda.checkpoints.storages import Storage, read_tensors
from panda.checkpoints.torchscript import is_torchscript, torchscript_tensors
from panda.errors import PandaError
from panda.files.budget import Budget, File

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
"""The first of the five pickles of the older stream."""

_SHORTEST_ENTRY = 46  # bytes in a zip's list of members

Load = Callable[[Any], tuple[Storage, bytes]]


class _Zip(File):
    """A zip whose list of members is charged before zipfile makes an object of each entry."""

    listing = True

    def read(self, size: int | None = -1, /) -> bytes:
        """Return at most ``size`` bytes, the whole list at once."""
        data = super().read(size)
        if self.listing:
            self.budget.spend(names=len(data) // _SHORTEST_ENTRY)
        return data


def read_torch(file: File) -> Checkpoint:
    """Read the generator of a torch file: genforce, rosinality, TorchScript, a bare state dict.

    Raises:
        PandaError: The file is damaged or contains something else.
    """
    if file.peek(2)[:2] != b"PK":
        content, load = read_legacy(file, file.budget)
        return _checkpoint(content, load, file.budget)
    try:
        with _Zip(file.path, file.budget) as members, zipfile.ZipFile(members) as archive:
            members.listing = False
            content, load = _read_zip(archive, file.budget)
            return _checkpoint(content, load, file.budget)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, UnicodeDecodeError) as error:
        raise PandaError(f"a damaged or truncated zip ({error})") from error


def _checkpoint(content: Any, load: Load, budget: Budget) -> Checkpoint:
    """Return the generator in the content of a file."""
    if is_torchscript(content):
        return Checkpoint(
            "torchscript", read_tensors(torchscript_tensors(content, budget), load, budget)
        )
    container, records = find_generator(content)
    return Checkpoint(container, read_tensors(records.items(), load, budget))


def _read_zip(archive: zipfile.ZipFile, budget: Budget) -> tuple[Any, Load]:
    """Return the content of a zip, and how to load its storages while it is open."""
    members = {info.filename: info for info in archive.infolist()}
    pickles = [name for name in members if name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise PandaError(f"a zip with {len(pickles)} data.pkl, expected one as torch.save writes")
    root = pickles[0].removesuffix("data.pkl")
    # TorchScript archives have a compressed program beside the data; it is never read.
    members = {name: info for name, info in members.items() if not name.startswith(root + "code/")}
    if any(info.compress_type != zipfile.ZIP_STORED for info in members.values()):
        raise PandaError("a zip of compressed members, expected plain ones as torch.save writes")
    if root + "byteorder" in members and archive.read(root + "byteorder") != b"little":
        raise PandaError("a torch file of a big-endian machine, expected little-endian")
    content = parse(io.BytesIO(archive.read(pickles[0])), budget, persistent=[])

    read = functools.cache(archive.read)  # tensors may share a storage

    def load(place: Any) -> tuple[Storage, bytes]:
        storage = _storage(place)
        member = f"{root}data/{storage.key}"
        if member not in members or members[member].file_size != storage.bytes:
            raise PandaError(f"its storage of {storage.bytes} bytes is not in the zip")
        return storage, read(member)

    return content, load


def read_legacy(stream: Stream, budget: Budget) -> tuple[Any, Load]:
    """Return the content of the older stream, and how to load its storages.

    Args:
        stream: The beginning of the file.
        budget: What reading it may cost.

    Raises:
        PandaError: It is damaged, not a torch file, or costs more than the budget has left.
    """
    if parse(stream, budget) != LEGACY_MAGIC:
        raise PandaError("not a torch file: its magic number is missing")
    parse(stream, budget)  # protocol version
    parse(stream, budget)  # sizes of C types
    persistent: list[Any] = []
    content = parse(stream, budget, persistent)
    storages = {storage.key: storage for storage in map(Storage.of, persistent)}
    data = {}
    keys = parse(stream, budget)
    if not isinstance(keys, list):
        raise PandaError("a damaged torch file: the list of its storages is missing")
    for key in keys:
        if not isinstance(key, str) or key not in storages:
            raise PandaError("a damaged torch file: it has a storage that no tensor uses")
        budget.spend(names=1)
        elements = int.from_bytes(stream.read(8), "little")
        wanted = storages[key].bytes
        data[key] = stream.read(wanted)
        if elements != storages[key].size or len(data[key]) != wanted:
            raise PandaError(
                f"a damaged or truncated torch file: a storage of {storages[key].size} elements"
                f" ({wanted} bytes) has {elements} elements in {len(data[key])} bytes"
            )

    def load(place: Any) -> tuple[Storage, bytes]:
        storage = _storage(place)
        if storage.key not in data:
            raise PandaError("its storage is not in the file")
        return storage, data[storage.key]

    return content, load


def _storage(place: Any) -> Storage:
    """Return the storage that a record names."""
    match place:
        case Record("persistent_id", (persistent_id,)):
            return Storage.of(persistent_id)
    raise PandaError(f"{describe(place)} where a storage belongs")
