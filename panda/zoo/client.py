"""What all fetching through a package manager's own client shares: folder, progress, checksum."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from panda.errors import PandaError
from panda.progress import bar
from panda.zoo.cache import home


@contextmanager
def workspace() -> Iterator[Path]:
    """Yield an empty folder in the cache, gone afterwards; raises `PandaError` where it cannot."""
    try:
        home().mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(prefix=".fetch-", dir=home())
    except OSError as error:
        raise PandaError(f"cannot write to {home()}: {error.strerror}") from error
    with folder as name:
        yield Path(name)


def run_client(
    command: Sequence[str],
    folder: Path,
    *,
    environment: Mapping[str, str],
    size: int,
    description: str,
) -> tuple[int, list[str]]:
    """Run a client in ``folder``, whose growth is the progress; return its status and its words."""
    with (
        bar(total=size, unit="B", unit_scale=True, desc=f"fetch {description}") as b,
        tempfile.TemporaryFile() as log,
        subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        ) as client,
    ):
        try:
            while client.poll() is None:
                b.update(min(size, _bytes_in(folder)) - b.n)
                try:
                    client.wait(timeout=0.2)
                except subprocess.TimeoutExpired:
                    continue
        except BaseException:
            client.terminate()
            raise
        b.update(min(size, _bytes_in(folder)) - b.n)
        log.seek(0)
        return client.returncode, log.read().decode(errors="replace").strip().splitlines()


def read_checked(path: Path, sha256: str, description: str) -> bytes:
    """Read a download whole; raises `PandaError` where it is not the pinned one."""
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise PandaError(
            f"the download of {description} has sha256 {found[:16]}..., expected"
            f" {sha256[:16]}...; it is damaged or not the pinned file, nothing was kept"
        )
    return data


def _bytes_in(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue  # the client moved it meanwhile
    return total
