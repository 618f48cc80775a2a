"""The compressed samples of a fit: in memory if they are few, in a file if they are many."""

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
from panda.files.in_place import open_in_place

MEMORY = 2**28
"""Bytes that the samples of one process may take in the CPU's memory; a GPU has all of them."""


class Samples:
    """The samples of this process as float32 blocks ``[B, C, K]``, appended once, read many times.

    Args:
        total: How many samples there will be; where they take more than `MEMORY`, they are read
            block by block from a file.
        row: (C, K), the shape of one sample.
        device: Where blocks lie when they are read.
        path: The file; by default one without a name, in the cache, if it is needed.
        lengths: The samples of each block that the file already has.

    Raises:
        PandaError: Where the file cannot be written, or is a link.
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
        in_memory = size * total <= MEMORY or device.type != "cpu"
        self._file = None if in_memory and path is None else _open(path)
        if self._file is not None:
            weakref.finalize(self, self._file.close)
            self._file.truncate(size * sum(self.lengths))
        self._blocks: list[Tensor] | None = list(self._read()) if in_memory else None

    def __iter__(self) -> Iterator[Tensor]:
        """Yield the blocks, always in the same order."""
        return self._read() if self._blocks is None else iter(self._blocks)

    def _read(self) -> Iterator[Tensor]:
        """Read the blocks from the file."""
        offset = 0
        for length in self.lengths:
            assert self._file is not None
            block = torch.empty(length, *self.row)
            self._file.seek(offset)
            count: int = self._file.readinto(block.numpy().reshape(-1).view("u1"))  # type: ignore[attr-defined]
            if count != block.nbytes:
                raise PandaError("the file of compressed samples was cut short by another program")
            offset += count
            yield block.to(self._device)

    def empty(self) -> Tensor:
        """Return a block of no samples."""
        return torch.empty(0, *self.row, device=self._device)

    def append(self, block: Tensor) -> None:
        """Add a block ``[B, C, K]``."""
        if self._blocks is not None:
            self._blocks.append(block)
        if self._file is not None:
            try:
                self._file.seek(0, os.SEEK_END)
                self._file.write(block.cpu().contiguous().numpy().data)
            except OSError as error:
                raise _write_error(self._path, error) from error
        self.lengths.append(len(block))

    def sync(self) -> None:
        """Wait until everything that was appended is on the disk."""
        if self._file is not None:
            try:
                self._file.flush()
                os.fsync(self._file.fileno())
            except OSError as error:
                raise _write_error(self._path, error) from error

    def map(self, change: Callable[[Tensor], Tensor]) -> Samples:
        """Return new samples, from ``change`` of each block ``[B, C, K]`` to ``[B, C', K']``."""
        sample = change(self.empty())
        row = (sample.shape[1], sample.shape[2])
        changed = Samples(sum(self.lengths), row, self._device)
        for block in self:
            changed.append(change(block))
        return changed


def _open(path: Path | None) -> IO[bytes]:
    """Open a file for reading and writing: at ``path``, or one without a name in the cache."""
    try:
        if path is not None:
            return open_in_place(path)
        home().mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryFile(dir=home())
    except OSError as error:
        raise _write_error(path, error) from error


def _write_error(path: Path | None, error: OSError) -> PandaError:
    """Return the sentence for a file that cannot be written."""
    remedy = "" if path else "; PANDA_HOME may name another folder"
    return DiskError(f"cannot keep samples in {path or home()}: {error.strerror}{remedy}")
