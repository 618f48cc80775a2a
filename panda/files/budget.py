"""What reading a file may cost, so that a small file cannot ask for large work.

All readers of a file share one budget and spend it before they work: for each name that a file
gives, for the bytes that they read or allocate, and for the steps that they take.
"""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

from panda.errors import PandaError
from panda.files.writing import no_pipe

NAMES = 30_000
"""Tensors, modules, nodes and members that a file may name; large checkpoints have 3,000."""

STEPS = 500_000
"""Values, opcodes, tags and edges of a file; large training checkpoints have under 100,000."""

COPIES = 3
"""How many times its bytes a file may fill: as read, inside a container, and as tensors."""

SPARE = 1 << 24
"""Bytes that a file of any size may fill."""

SMALL = 1 << 12
"""Bytes of a read that is not charged, since it is part of a step; of a line, at most. (Lines of
pickles are names, which have under 200.)"""


LARGEST_TEXT = 1 << 26
"""Bytes of JSON or XML, whatever is beside it."""


class Budget:
    """What is left of names, bytes and steps.

    Args:
        size: Bytes of what is read, where it is not a `File`.
    """

    def __init__(self, size: int = 0) -> None:
        self._names, self._steps, self._bytes = NAMES, STEPS, SPARE + COPIES * size
        self._files: set[tuple[int, int]] = set()

    def admit(self, file: os.stat_result) -> None:
        """Add what a file may cost, once: it may be opened under many names."""
        identity = (file.st_dev, file.st_ino)
        if identity not in self._files:
            self._files.add(identity)
            self._bytes += COPIES * file.st_size

    def spend(self, *, names: int = 0, bytes: int = 0, steps: int = 0) -> None:
        """Take off what the next piece of work costs.

        Raises:
            PandaError: It costs more than is left.
        """
        self._names -= names
        self._bytes -= bytes
        self._steps -= steps
        if self._steps < 0:
            raise PandaError(f"over {STEPS} steps to read, more than any checkpoint has")
        if self._names < 0:
            raise PandaError(f"over {NAMES} names, more than any checkpoint has")
        if self._bytes < 0:
            raise PandaError(f"wants {-self._bytes} bytes more memory than the file can fill")

    def step(self) -> None:
        """Take off one step, fast."""
        self._steps -= 1
        if self._steps < 0:
            self.spend()

    def spend_text(self, *parts: str) -> None:
        """Take off a text that is to be joined of parts; a letter takes up to four bytes."""
        self.spend(bytes=4 * sum(map(len, parts)))


class File(io.BufferedReader):
    """An open file whose reads are charged to a budget; it allocates no more than the file has.

    It is not mapped into memory: a file truncated meanwhile would end the process.

    Args:
        path: The file.
        budget: That of the whole checkpoint.

    Raises:
        PandaError: It is a pipe or a device.
    """

    def __init__(self, path: Path, budget: Budget) -> None:
        super().__init__(io.FileIO(no_pipe(path)))
        facts = os.fstat(self.fileno())
        self.path, self.size, self.budget = path, facts.st_size, budget
        budget.admit(facts)

    def read(self, size: int | None = -1, /) -> bytes:
        """Return at most ``size`` bytes of what is left; by default, all."""
        if size is None or not 0 <= size <= SMALL:
            left = max(0, self.size - self.tell())
            size = left if size is None or size < 0 else min(size, left)
            self.budget.spend(bytes=size)
        return super().read(size)

    def text(self) -> bytes:
        """Return the whole content, which is to be a text in UTF-8."""
        if self.size > LARGEST_TEXT:
            raise PandaError(f"a text of {self.size} bytes, more than any checkpoint has")
        return self.read()

    def readline(self, size: int | None = -1, /) -> bytes:
        """Return the bytes up to the next line feed, if it is near."""
        return super().readline(SMALL)


def load_json(path: Path) -> Any:
    """Return the content of a JSON file in UTF-8.

    Raises:
        PandaError: It is a pipe or a device, or has very many values.
        OSError: It cannot be read.
        ValueError: It is damaged.
        RecursionError: It is nested very deep.
    """
    with File(path, Budget()) as file:
        try:
            return parse_json(file.text(), file.budget)
        except PandaError as error:
            raise PandaError(f"{path}: {error}") from error


def parse_json(data: bytes | str, budget: Budget | None = None) -> Any:
    """Return the content of JSON in UTF-8.

    Args:
        data: The text; it may begin with a byte order mark.
        budget: What it may cost; by default, that of a file with this content alone.

    Raises:
        PandaError: It has very many values, or letters.
        ValueError: It is damaged.
        RecursionError: It is nested very deep.
    """
    raw = data.encode(errors="surrogatepass") if isinstance(data, str) else data
    # Every value but the first follows one of these.
    steps = sum(map(raw.count, (b",", b":", b"[", b"{")))
    (budget or Budget(len(raw))).spend(steps=steps, bytes=text_bytes(raw))
    return json.loads(raw.decode().removeprefix("\ufeff"))


def text_bytes(raw: bytes) -> int:
    """Return how many bytes a text in UTF-8 may take once it is decoded."""
    return len(raw) if raw.isascii() else 4 * len(raw)
