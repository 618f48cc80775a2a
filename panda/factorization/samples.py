"""The compressed samples of a fit: in memory where they are few, in a file where they are many."""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

import torch
from torch import Tensor

from panda.errors import DiskError, PandaError
from panda.files.cache import home

MEMORY = 2**28
"""Bytes that the samples of one process may take in memory; other devices hold all of them."""


class Samples:
    """The samples of this process as blocks ``[B, C, K]``, appended once, read many times.

    ``row`` is (C, K), of float32. ``total`` says how many samples there will be; where they take
    more than `MEMORY`, they are read from a file block by block. The file is nameless in the cache,
    or at ``path``, where it begins with blocks of these ``lengths``. Raises `PandaError` where it
    cannot be written.
    """

    def __init__(
        self,
        total: int,
        row: tuple[int, int],
        device: torch.device,
        path: Path | None = None,
        lengths: Sequence[int] = (),
    ) -> None:
        self.lengths = list(lengths)
        self.row, self._device, self._path = row, device, path
        size = 4 * row[0] * row[1]
        few = size * total <= MEMORY or device.type != "cpu"
        self._file = None if few and path is None else _open(path)
        if self._file is not None:
            weakref.finalize(self, self._file.close)
            self._file.truncate(size * sum(self.lengths))
        self._blocks: list[Tensor] | None = list(self._read()) if few else None

    def __iter__(self) -> Iterator[Tensor]:
        """Yield the blocks: always the same ones, in the same order."""
        return self._read() if self._blocks is None else iter(self._blocks)

    def _read(self) -> Iterator[Tensor]:
        offset = 0
        for length in self.lengths:
            assert self._file is not None
            block = torch.empty(length, *self.row)
            self._file.seek(offset)
            found: int = self._file.readinto(block.numpy().reshape(-1).view("u1"))  # type: ignore[attr-defined]
            if found != block.nbytes:
                raise PandaError("the file of compressed samples was cut short by another program")
            offset += found
            yield block.to(self._device)

    def empty(self) -> Tensor:
        """A block of no samples."""
        return torch.empty(0, *self.row, device=self._device)

    def append(self, block: Tensor) -> None:
        """Add a block."""
        if self._blocks is not None:
            self._blocks.append(block)
        if self._file is not None:
            try:
                self._file.seek(0, os.SEEK_END)
                self._file.write(block.cpu().contiguous().numpy().data)
            except OSError as error:
                raise _cannot_keep(self._path, error) from error
        self.lengths.append(len(block))

    def sync(self) -> None:
        """Wait until the disk holds what was appended."""
        if self._file is not None:
            try:
                self._file.flush()
                os.fsync(self._file.fileno())
            except OSError as error:
                raise _cannot_keep(self._path, error) from error

    def map(self, change: Callable[[Tensor], Tensor]) -> Samples:
        """The same samples, each block changed."""
        none = change(self.empty())
        row = (none.shape[1], none.shape[2])
        changed = Samples(sum(self.lengths), row, self._device)
        for block in self:
            changed.append(change(block))
        return changed


def _open(path: Path | None) -> IO[bytes]:
    """An open file to read and write: a nameless one in the cache, or the one at ``path``."""
    try:
        if path is not None:
            return path.open("r+b" if path.exists() else "w+b")
        home().mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryFile(dir=home())
    except OSError as error:
        raise _cannot_keep(path, error) from error


def _cannot_keep(path: Path | None, error: OSError) -> PandaError:
    remedy = "" if path else "; PANDA_HOME may name another folder"
    return DiskError(f"cannot keep samples in {path or home()}: {error.strerror}{remedy}")
