"""Two folders change places in one step, or in three that can be undone, whatever kills them."""

import errno
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from panda.files import exchange as module
from panda.files.exchange import exchange
from panda.files.writing import check_target, staging, sweep


@pytest.fixture(params=["one step", "three renames"])
def way(request, monkeypatch):
    if request.param == "three renames":
        monkeypatch.setattr(module, "_system_call", lambda: lambda new, target: errno.ENOSYS)
    elif not sys.platform.startswith(("linux", "darwin")):
        pytest.skip("the system has no exchange")
    return request.param


@pytest.fixture
def folders(tmp_path):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "b").write_text("new")
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "a").write_text("old")
    return tmp_path / "new", tmp_path / "old"


def test_two_folders_change_places(way, folders, monkeypatch):
    new, old = folders
    if way == "one step":  # and no rename is needed
        monkeypatch.setattr(Path, "rename", None)
    exchange(new, old)
    assert [path.name for path in old.iterdir()] == ["b"]
    assert [path.name for path in new.iterdir()] == ["a"]
    assert sorted(path.name for path in old.parent.iterdir()) == ["new", "old"]


def test_where_one_is_missing_both_stay(way, tmp_path):
    (tmp_path / "old").mkdir()
    with pytest.raises(OSError, match="No such file"):
        exchange(tmp_path / "new", tmp_path / "old")
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


KILLED = """
import errno, os, signal, sys
from pathlib import Path
from panda.files import exchange
from panda.files.writing import staging
exchange._system_call = lambda: lambda new, target: errno.ENOSYS
seen = 0
def hear(event, arguments):
    global seen
    if event == "os.rename":
        seen += 1
        if seen == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hear)
with staging(Path(sys.argv[1])) as work:
    work.mkdir()
    (work / "x").write_text("new")
"""


@pytest.mark.parametrize(
    ("kill", "next_run"),
    [(1, "checks"), (2, "checks"), (3, "checks"), (2, "fails"), (2, "sweeps")],
)
def test_a_kill_between_renames_loses_nothing_and_the_next_run_puts_it_back(
    tmp_path, kill, next_run
):
    target = tmp_path / "results"
    target.mkdir()
    (target / "x").write_text("old")
    command = [sys.executable, "-c", KILLED, str(target), str(kill)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert target.exists() == (kill != 2)
    if next_run == "checks":
        check_target(target)
    elif next_run == "sweeps":
        sweep(target)
    else:
        with pytest.raises(RuntimeError), staging(target):
            raise RuntimeError
    assert (target / "x").read_text() == ("new" if kill == 3 else "old")
    assert [path.name for path in tmp_path.iterdir()] == ["results"]


def test_what_fails_between_renames_is_undone(folders, monkeypatch):
    new, old = folders
    monkeypatch.setattr(module, "_system_call", lambda: lambda new, target: errno.EINVAL)
    rename, calls = Path.rename, []

    def fails(path, target):
        calls.append(target)
        if len(calls) == 2:
            raise OSError(errno.EIO, "Input/output error")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(OSError, match="Input/output"):
        exchange(new, old)
    assert (old / "a").read_text() == "old"
    assert (new / "b").read_text() == "new"
