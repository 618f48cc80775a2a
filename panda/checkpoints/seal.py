"""A checksum inside each safetensors file that PandA writes, by which flipped bits are noticed.

It is the sha256 of the bytes of all tensors, in the metadata. This module does not import torch.
"""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum
from pathlib import Path
from typing import Any

from panda.errors import PandaError
from panda.files.budget import Budget, File, parse_json

KEY = "panda_sha256"
"""Key of the checksum in the metadata."""


class Integrity(StrEnum):
    """State of a safetensors file."""

    GOOD = "as it was written"
    UNKNOWN = "whole, without a checksum"
    DAMAGED = "damaged"
    MISSING = "missing"


def seal(content: bytes) -> bytes:
    """Return the content of a safetensors file with the checksum in its metadata."""
    size = int.from_bytes(content[:8], "little")
    header, body = json.loads(content[8 : 8 + size]), memoryview(content)[8 + size :]
    metadata = {**header.get("__metadata__", {}), KEY: hashlib.sha256(body).hexdigest()}
    header["__metadata__"] = dict(sorted(metadata.items()))  # safetensors puts them in any order
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors stay aligned
    return b"".join((len(text).to_bytes(8, "little"), text, body))


def read_sealed(path: Path, budget: Budget) -> tuple[bytes, dict[str, str]]:
    """Return the content of a safetensors file, checked, and its metadata.

    Args:
        path: The file. Its tensors are read when the header says that it has them, and no more.
        budget: What reading it may cost.

    Raises:
        PandaError: The header is damaged or costs more than the budget has left, the file is
            truncated, or the tensors do not match the checksum.
    """
    with File(path, budget) as file:
        start = 8 + int.from_bytes(file.read(8), "little")
        metadata = _check_header(_header(file, start), file.size - start)
        file.seek(0)
        content = file.read()
    expected = metadata.get(KEY)
    if expected is not None and hashlib.sha256(memoryview(content)[start:]).hexdigest() != expected:
        raise PandaError(
            "a damaged safetensors file: its tensors have changed since it was written"
        )
    return content, metadata


def integrity(path: Path) -> Integrity:
    """Return whether a file exists, is whole, and is as it was written."""
    try:
        return Integrity.GOOD if KEY in read_sealed(path, Budget())[1] else Integrity.UNKNOWN
    except PandaError:
        return Integrity.DAMAGED
    except OSError:
        return Integrity.MISSING


def _header(file: File, start: int) -> dict[str, Any]:
    """Return the header of a file whose tensors start at a byte."""
    if start > file.size:
        raise PandaError(
            f"a damaged or truncated safetensors file (its header takes {start - 8} bytes)"
        )
    try:
        header = parse_json(file.read(start - 8), file.budget)
    except (ValueError, RecursionError) as error:
        raise PandaError(f"a damaged or truncated safetensors file ({error})") from error
    if not isinstance(header, dict):
        raise PandaError("a damaged or truncated safetensors file (its header is not an object)")
    file.budget.spend(names=len(header))
    return header


def _check_header(header: dict[str, Any], size: int) -> dict[str, str]:
    """Return the metadata of a file whose tensors take ``size`` bytes."""
    ends = [0]
    for name, entry in header.items():
        match entry:
            case {"data_offsets": [int(), int() as end]} if name != "__metadata__":
                ends.append(end)
    if max(ends) != size:
        raise PandaError(f"a damaged or truncated safetensors file ({size} bytes of {max(ends)})")
    metadata = header.get("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise PandaError("a damaged or truncated safetensors file (its metadata are not texts)")
    return metadata
