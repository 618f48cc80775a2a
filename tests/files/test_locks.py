"""Locks between processes: refused, waited for, gone with their process, impossible."""

import os
import signal
import subprocess
import sys
import threading
from contextlib import nullcontext

import pytest

from panda import PandaError
from panda.files import cache as caches
from panda.files.cache import lock
from panda.files.locks import hold_folder, locked
from panda.files.writing import staging, sweep

HOLDS = """
import sys, time
from pathlib import Path
from panda.files.locks import hold_folder
with hold_folder(Path(sys.argv[1])):
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def other(tmp_path):
    """Another process that has locked the folder."""
    command = [sys.executable, "-c", HOLDS, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


@pytest.fixture
def unlockable(monkeypatch):
    """A file system without locks."""

    def refuse(descriptor, **_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr("filelock.lock_descriptor", refuse)


def test_a_locked_folder_is_refused_until_its_process_is_killed(tmp_path, other):
    refusal = pytest.raises(PandaError, match="another run is at work in .*; wait for it, or end")
    with refusal, hold_folder(tmp_path):
        pass
    with hold_folder(tmp_path, "another name"):
        pass
    os.kill(other.pid, signal.SIGKILL)
    other.wait()
    with hold_folder(tmp_path):
        pass


def test_a_locked_folder_can_be_waited_for(tmp_path, other):
    timer = threading.Timer(0.3, other.kill)
    timer.start()
    with hold_folder(tmp_path, wait=True):
        assert timer.finished.is_set()
    timer.join()


def test_where_files_cannot_be_locked_work_goes_on_and_nothing_is_swept(
    tmp_path, cache, unlockable
):
    (cache / "generators" / ".half.panda-killed00").mkdir(parents=True)
    with hold_folder(tmp_path), hold_folder(tmp_path), lock():
        assert (cache / "generators" / ".half.panda-killed00").exists()
    with staging(tmp_path / "x") as work:
        work.write_text("1")
        sweep(tmp_path / "x")
        assert work.exists()
    assert (tmp_path / "x").read_text() == "1"


def test_a_second_process_says_that_it_waits_for_the_cache(cache, capsys, monkeypatch):
    def taken_at_first(path, *, wait=False):
        return locked(path, wait=True) if wait else nullcontext(False)

    monkeypatch.setattr(caches, "locked", taken_at_first)
    (cache / ".fetch.panda-killed00").mkdir(parents=True)
    with lock():
        assert not (cache / ".fetch.panda-killed00").exists()
    assert capsys.readouterr().err == "waiting for another process that fetches weights\n"


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    refusal = pytest.raises(PandaError, match="cannot write to .*file/x: Not a directory")
    with refusal, hold_folder(tmp_path / "file" / "x"):
        pass


def test_a_cache_in_a_folder_of_other_things_removes_its_own_leftovers_alone(cache):
    others = [cache / ".fetch-notes", cache / "generators" / ".git", cache / "downloads/a/.mine"]
    for folder in (
        *others,
        cache / ".fetch.panda-killed00",
        cache / "generators/.x.panda-killed00",
    ):
        folder.mkdir(parents=True)
        (folder / "file").touch()
    with lock():
        pass
    assert all((folder / "file").exists() for folder in others)
    assert sorted(path.name for path in cache.iterdir()) == [
        ".fetch-notes",
        ".lock",
        "downloads",
        "generators",
    ]
    assert [path.name for path in (cache / "generators").iterdir()] == [".git"]
