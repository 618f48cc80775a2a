"""The intermediate results of a fit, on disk, so that the same command can resume it."""

from __future__ import annotations

import json
import shutil
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
from panda.notes import note

SECONDS = 30.0
"""The time between two writings: no more work than this is lost."""


class Journal:
    """A folder with two files for each process: its compressed samples, and the sums over them.

    It is locked until `close`, or until the end of a ``with`` block.

    Args:
        folder: The folder, which is made if needed.
        facts: What the fit depends on; the journal of a fit with other facts is not used.

    Raises:
        PandaError: Where the folder cannot be written, or another run is at work in it.
    """

    def __init__(self, folder: Path, facts: Mapping[str, Any]) -> None:
        self._folder, self._written = folder, time.monotonic()
        self._facts = json.loads(json.dumps(dict(facts)))
        name = f"{processes.rank()}-of-{processes.count()}"
        self.samples, self._sums = folder / f"{name}.samples", folder / f"{name}.sums"
        lock = ExitStack()
        self.close = weakref.finalize(self, lock.close)
        """Unlock the folder; a second call does nothing."""
        lock.enter_context(hold_folder(folder, f".{processes.rank()}.lock"))

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def read(self) -> dict[str, Tensor] | None:
        """Return what was written last; None where it belongs to another fit, or is damaged."""
        try:
            checkpoint = read_safetensors(self._sums)
        except (PandaError, FileNotFoundError):
            return None
        if checkpoint.config != self._facts:
            return None
        # Copies, since libraries of linear algebra round by how their input lies in memory.
        return {name: tensor.clone() for name, tensor in checkpoint.tensors.items()}

    def has_samples(self, size: int) -> bool:
        """Return whether the file of samples has at least this many bytes."""
        return self.samples.exists() and self.samples.stat().st_size >= size

    @property
    def due(self) -> bool:
        """Return whether it is time to write."""
        return time.monotonic() - self._written > SECONDS

    def write(self, tensors: Mapping[str, Tensor]) -> None:
        """Replace what was written last, atomically."""
        save_checkpoint(self._sums, Checkpoint("safetensors", tensors, self._facts))
        self._written = time.monotonic()

    def start_over(self) -> None:
        """Remove the files of another fit, or of another number of processes."""
        if processes.rank() == 0:
            other = set(self._folder.glob("*-of-*")) - set(
                self._folder.glob(f"*-of-{processes.count()}.*")
            )
            if other or self._sums.exists():
                self.say("holds samples of another fit, or of other processes; starting over")
            for path in other:
                path.unlink()
        self._sums.unlink(missing_ok=True)

    def say(self, text: str) -> None:
        """Print a note about the folder to stderr, from rank 0 only."""
        if processes.rank() == 0:
            note(f"{self._folder} {text}")


def forget(folder: Path) -> None:
    """Remove a journal's folder, once all processes have finished with it."""
    processes.all_agree(True)
    shutil.rmtree(folder, ignore_errors=True)
