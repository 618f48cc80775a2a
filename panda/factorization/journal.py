"""What a fit has so far, on disk, so that the same command goes on where it was stopped."""

from __future__ import annotations

import json
import shutil
import sys
import time
import weakref
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from torch import Tensor

from panda.checkpoints.checkpoint import Checkpoint
from panda.checkpoints.tensors import read_safetensors, save_checkpoint
from panda.errors import PandaError
from panda.factorization import processes
from panda.files.locks import hold_folder

SECONDS = 30.0
"""A journal is written so often: no more work is lost."""


class Journal:
    """A folder with two files of each process: its compressed samples, and its sums over them.

    ``facts`` say which fit they are of. Raises `PandaError` where the folder cannot be written, or
    another run is at work in it.
    """

    def __init__(self, folder: Path, facts: Mapping[str, Any]) -> None:
        self._folder, self._written = folder, time.monotonic()
        self._facts = json.loads(json.dumps(dict(facts)))
        name = f"{processes.rank()}-of-{processes.count()}"
        self.samples, self._sums = folder / f"{name}.samples", folder / f"{name}.sums"
        held = ExitStack()
        weakref.finalize(self, held.close)
        held.enter_context(hold_folder(folder, f".{processes.rank()}.lock"))

    def read(self) -> dict[str, Tensor] | None:
        """What was written last; nothing where that is of another fit, or damaged."""
        try:
            found = read_safetensors(self._sums)
        except (PandaError, FileNotFoundError):
            return None
        if found.config != self._facts:
            return None
        # Copies, since libraries of linear algebra round by how their input lies in memory.
        return {name: tensor.clone() for name, tensor in found.tensors.items()}

    def holds(self, size: int) -> bool:
        """Whether the samples are all there, that many bytes."""
        return self.samples.exists() and self.samples.stat().st_size >= size

    @property
    def due(self) -> bool:
        """Whether it is time to write."""
        return time.monotonic() - self._written > SECONDS

    def write(self, tensors: Mapping[str, Tensor]) -> None:
        """Replace what was written last, in one step."""
        save_checkpoint(self._sums, Checkpoint("safetensors", tensors, self._facts))
        self._written = time.monotonic()

    def start_over(self) -> None:
        """Drop what the folder holds of another fit, or of another number of processes."""
        if processes.rank() == 0:
            other = set(self._folder.glob("*-of-*")) - set(
                self._folder.glob(f"*-of-{processes.count()}.*")
            )
            if other or self._sums.exists():
                self.say("holds samples of another fit, or of other processes; starting over")
            for path in other:
                path.unlink()
        self._sums.unlink(missing_ok=True)

    def say(self, note: str) -> None:
        """Tell the user, once however many processes there are."""
        if processes.rank() == 0:
            print(f"{self._folder} {note}", file=sys.stderr)


def forget(folder: Path) -> None:
    """Remove the folder once all processes are done with it."""
    processes.all_agree(True)
    shutil.rmtree(folder, ignore_errors=True)
