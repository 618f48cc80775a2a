"""Files of `torch.save`: a zip (`torch.jit.save` writes one too), or the older stream of pickles.

`torch.load(weights_only=True)` is not used: on crafted files it could corrupt memory up to torch
2.9 (CVE-2026-24747), and it allocates what a file declares before it checks that.
"""

from __future__ import annotations

import functools
import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from panda.checkpoints.checkpoint import Checkpoint
from panda.checkpoints.pickles import File, Record, Stream, describe, parse
from panda.checkpoints.state_dicts import find_generator
from panda.checkpoints.storages import Storage, read_tensors
from panda.checkpoints.torchscript import is_torchscript, torchscript_tensors
from panda.errors import PandaError

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
"""The first of the five pickles of the older stream."""

_LONGEST_END = (1 << 16) + 100  # bytes: the last two records of a zip, and its longest comment
_LARGEST_DIRECTORY = 1 << 23  # bytes: about 100,000 members; large checkpoints have 1,000

Load = Callable[[Any], tuple[Storage, bytes]]


def read_torch(path: Path) -> Checkpoint:
    """Read the generator of a torch file: genforce, rosinality, TorchScript, a bare state dict.

    Raises:
        PandaError: The file is damaged or contains something else.
    """
    with path.open("rb") as file:
        stream = File(file)
        size = stream.size
        if file.peek(2)[:2] != b"PK":
            content, load = read_legacy(stream)
            return _checkpoint(content, load, size)
        try:
            _check_directory(file, size)
            with zipfile.ZipFile(file) as archive:
                content, load = _read_zip(archive, size)
                return _checkpoint(content, load, size)
        except (zipfile.BadZipFile, EOFError, NotImplementedError, UnicodeDecodeError) as error:
            raise PandaError(f"a damaged or truncated zip ({error})") from error


def _checkpoint(content: Any, load: Load, size: int) -> Checkpoint:
    """Return the generator in the content of a file of ``size`` bytes."""
    if is_torchscript(content):
        container, records = "torchscript", torchscript_tensors(content)
    else:
        container, records = find_generator(content)
    return Checkpoint(container, read_tensors(records, load, size))


def _check_directory(file: BinaryIO, size: int) -> None:
    """Raise `PandaError` for a very long list of members; a zip declares its size in two places."""
    file.seek(max(0, size - _LONGEST_END))
    tail = file.read()
    end, end64 = tail.rfind(b"PK\5\6"), tail.rfind(b"PK\6\6")
    declared = [int.from_bytes(tail[end + 12 : end + 16], "little")] if end >= 0 else []
    declared += [int.from_bytes(tail[end64 + 40 : end64 + 48], "little")] if end64 >= 0 else []
    # Lengths beyond the file are placeholders, or damage.
    length = max((length for length in declared if length < size), default=0)
    if length > _LARGEST_DIRECTORY:
        raise PandaError(f"a zip whose list of members takes {length} bytes")


def _read_zip(archive: zipfile.ZipFile, size: int) -> tuple[Any, Load]:
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
    if sum(info.file_size for info in members.values()) > size:
        raise PandaError("a damaged zip: its members declare more bytes than the file has")
    if root + "byteorder" in members and archive.read(root + "byteorder") != b"little":
        raise PandaError("a torch file of a big-endian machine, expected little-endian")
    content = parse(io.BytesIO(archive.read(pickles[0])), persistent=[])

    read = functools.cache(archive.read)  # tensors may share a storage

    def load(place: Any) -> tuple[Storage, bytes]:
        storage = _storage(place)
        member = f"{root}data/{storage.key}"
        if member not in members or members[member].file_size != storage.bytes:
            raise PandaError(f"its storage of {storage.bytes} bytes is not in the zip")
        return storage, read(member)

    return content, load


def read_legacy(stream: Stream, steps: Iterator[object] | None = None) -> tuple[Any, Load]:
    """Return the content of the older stream, and how to load its storages.

    Args:
        stream: The beginning of the file.
        steps: See `parse`.

    Raises:
        PandaError: It is damaged, or not a torch file.
    """
    if parse(stream, None, steps) != LEGACY_MAGIC:
        raise PandaError("not a torch file: its magic number is missing")
    parse(stream, None, steps)  # protocol version
    parse(stream, None, steps)  # sizes of C types
    persistent: list[Any] = []
    content = parse(stream, persistent, steps)
    storages = {storage.key: storage for storage in map(Storage.of, persistent)}
    data = {}
    keys = parse(stream, None, steps)
    if not isinstance(keys, list):
        raise PandaError("a damaged torch file: the list of its storages is missing")
    for key in keys:
        if not isinstance(key, str) or key not in storages:
            raise PandaError("a damaged torch file: it has a storage that no tensor uses")
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
