"""The cache folder: where it is, what of it is removed, and what is said where it cannot be."""

from pathlib import Path

import pytest

from panda import PandaError
from panda.errors import DiskError
from panda.files.cache import home, lock, workspace
from panda.files.locks import hold_folder, lock_file, locked


def test_the_cache_is_where_the_environment_says(monkeypatch):
    monkeypatch.setenv("PANDA_HOME", "~/weights")
    monkeypatch.setenv("XDG_CACHE_HOME", "~/xdg")
    assert home() == Path.home() / "weights"
    monkeypatch.setenv("PANDA_HOME", "")
    assert home() == Path.home() / "xdg" / "panda"
    monkeypatch.delenv("PANDA_HOME")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert home() == Path.home() / ".cache" / "panda"


def test_a_workspace_is_empty_in_the_cache_and_goes_whatever_happens(cache, monkeypatch):
    cache = cache / "a" / "b"
    monkeypatch.setenv("PANDA_HOME", str(cache))
    assert not cache.exists()
    with workspace() as folder:
        assert folder.parent == cache and folder.name.startswith(".fetch.panda-")
        assert list(folder.iterdir()) == []
        (folder / "x").touch()
    with pytest.raises(KeyError), workspace() as folder:
        raise KeyError
    assert list(cache.iterdir()) == []


def test_a_cache_that_cannot_be_made_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("PANDA_HOME", str(tmp_path / "file" / "cache"))
    for block in (workspace(), lock()):
        with pytest.raises(DiskError) as said, block:
            pass
        assert str(said.value) == f"cannot write to {tmp_path / 'file' / 'cache'}: Not a directory"


def test_only_what_is_half_done_is_removed_when_the_cache_is_locked(cache):
    left = ".x.panda-abcdefgh/half"
    half = [left, f"generators/{left}", f"downloads/a/{left}"]
    whole = ["generators/.2/x", f"downloads/{left}", f"factors/{left}", f"generators/g/{left}"]
    for path in half + whole:
        (cache / path).parent.mkdir(parents=True)
        (cache / path).touch()
    (cache / ".y.panda-abcdefgh").touch()  # no folder of ours: left alone
    with lock():
        assert (cache / ".y.panda-abcdefgh").exists()
        assert not any((cache / path).exists() for path in half)
        assert all((cache / path).exists() for path in whole)
        with locked(cache / ".lock") as acquired:
            assert acquired is False
    with locked(cache / ".lock") as acquired:
        assert acquired is True


def test_nothing_is_locked_that_is_not_there(tmp_path):
    with locked(tmp_path / "x") as acquired:
        assert acquired is None
    assert not (tmp_path / "x").exists()


def test_lock_files_have_the_name_that_was_asked_for(tmp_path):
    folder = tmp_path / "a" / "b"
    assert lock_file(folder) == folder / ".lock"
    assert lock_file(folder, ".0.lock") == folder / ".0.lock"
    (folder / ".lock").write_text("kept")
    with hold_folder(folder):
        assert (folder / ".lock").read_text() == "kept"
        with pytest.raises(PandaError) as said, hold_folder(folder):
            pass
    assert str(said.value) == f"another run is at work in {folder}; wait for it, or end it"
    with pytest.raises(DiskError) as said, hold_folder(folder / ".lock" / "c"):
        pass
    assert str(said.value) == f"cannot write to {folder / '.lock' / 'c'}: Not a directory"
