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

KEY = "panda_sha256"
"""Key of the checksum in the metadata."""

LARGEST_HEADER = 1 << 23
"""Bytes, enough for 80,000 tensors; each of them takes much more in memory."""


class Integrity(StrEnum):
    """State of a safetensors file."""

    GOOD = "as it was written"
    UNKNOWN = "whole, without a checksum"
    DAMAGED = "damaged"
    MISSING = "missing"


def seal(content: bytes) -> bytes:
    """Return the content of a safetensors file with the checksum in its metadata."""
    header, body = _split(content)
    metadata = {**header.get("__metadata__", {}), KEY: hashlib.sha256(body).hexdigest()}
    header["__metadata__"] = dict(sorted(metadata.items()))  # safetensors puts them in any order
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors stay aligned
    return b"".join((len(text).to_bytes(8, "little"), text, body))


def unsealed(content: bytes) -> dict[str, str]:
    """Check the content of a safetensors file, and return its metadata.

    Raises:
        PandaError: The header is damaged or absurdly long, the file is truncated, or the tensors do
            not match the checksum.
    """
    header, body = _split(content)
    ends = [0]
    for name, entry in header.items():
        match entry:
            case {"data_offsets": [int(), int() as end]} if name != "__metadata__":
                ends.append(end)
    if max(ends) != len(body):
        raise PandaError(
            f"a damaged or truncated safetensors file ({len(body)} bytes of {max(ends)})"
        )
    metadata = header.get("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise PandaError("a damaged or truncated safetensors file (its metadata are not texts)")
    expected = metadata.get(KEY)
    if expected is not None and hashlib.sha256(body).hexdigest() != expected:
        raise PandaError(
            "a damaged safetensors file: its tensors have changed since it was written"
        )
    return metadata


def integrity(path: Path) -> Integrity:
    """Return whether a file exists, is whole, and is as it was written."""
    try:
        return Integrity.GOOD if KEY in unsealed(path.read_bytes()) else Integrity.UNKNOWN
    except PandaError:
        return Integrity.DAMAGED
    except OSError:
        return Integrity.MISSING


def _split(content: bytes) -> tuple[dict[str, Any], memoryview]:
    """Return the header and the bytes of the tensors."""
    size = int.from_bytes(content[:8], "little")
    if size > LARGEST_HEADER:
        raise PandaError(f"a damaged or truncated safetensors file (its header takes {size} bytes)")
    try:
        header = json.loads(content[8 : 8 + size].decode())
    except (ValueError, RecursionError) as error:
        raise PandaError(f"a damaged or truncated safetensors file ({error})") from error
    if not isinstance(header, dict):
        raise PandaError("a damaged or truncated safetensors file (its header is not an object)")
    return header, memoryview(content)[8 + size :]
