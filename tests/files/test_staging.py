"""Staging: where the work is done, what it becomes, and what is left where it fails."""

import os
import re

import pytest

from panda import PandaError
from panda.errors import DiskError
from panda.files.locks import locked
from panda.files.writing import staging


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_work_is_done_in_a_locked_folder_beside_the_target(tmp_path):
    target = tmp_path / "a" / "b" / "x.txt"
    with staging(str(target)) as work:
        assert work.name == "x.txt" and work.parent.parent == target.parent
        assert re.fullmatch(r"\.x\.txt\.panda-[a-z0-9_]{8}", work.parent.name)
        assert list(work.parent.iterdir()) == []
        with locked(work.parent) as acquired:
            assert acquired is False
        work.write_text("new")
        assert not target.exists()
    assert names(target.parent) == ["x.txt"] and target.read_text() == "new"


@pytest.mark.parametrize("error", [KeyError, KeyboardInterrupt, PandaError])
def test_an_earlier_target_stays_where_the_work_fails(tmp_path, error):
    (tmp_path / "x").write_text("old")
    with pytest.raises(error), staging(tmp_path / "x") as work:
        work.write_text("half")
        raise error("broken")
    assert names(tmp_path) == ["x"] and (tmp_path / "x").read_text() == "old"


def test_what_a_link_leads_to_is_replaced_and_the_link_stays(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "x").write_text("old")
    (tmp_path / "link").symlink_to("there/x")
    with staging(tmp_path / "link") as work:
        assert work.parent.parent == tmp_path / "there"
        work.write_text("new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "there" / "x").read_text() == "new"


def test_what_cannot_be_replaced_is_one_sentence(tmp_path):
    circle, pipe = tmp_path / "circle", tmp_path / "pipe"
    circle.symlink_to(circle)
    os.mkfifo(pipe)
    for target, sentence in (
        (circle, f"{circle} is a link that leads in a circle; name another file"),
        (pipe, f"{pipe} is neither a file nor a folder and cannot be replaced; name another file"),
    ):
        with pytest.raises(PandaError) as said, staging(target):
            raise AssertionError("the block must not run")
        assert str(said.value) == sentence
    assert names(tmp_path) == ["circle", "pipe"]


def test_an_error_of_the_disk_names_the_target(tmp_path):
    target = tmp_path / "x"
    with pytest.raises(DiskError) as said, staging(target) as work:
        work.mkdir()
        raise DiskError(f"cannot write {work}/config.json: No space left on device")
    assert str(said.value) == f"cannot write {target}/config.json: No space left on device"
    for error, reason in (
        (OSError(28, "No space left on device"), "No space left on device"),
        (OSError("odd"), "odd"),
    ):
        with pytest.raises(DiskError) as said, staging(target):
            raise error
        assert str(said.value) == f"cannot write {target}: {reason}"
    with pytest.raises(DiskError) as said, staging(target):
        pass  # nothing was made
    assert str(said.value) == f"cannot write {target}: No such file or directory"
    assert names(tmp_path) == []


def test_work_inside_of_work_has_folders_of_its_own(tmp_path):
    with staging(tmp_path / "x") as outer:
        outer.mkdir()
        with staging(outer / "y") as inner:
            inner.write_text("inner")
        with staging(tmp_path / "x") as other:
            other.mkdir()
            assert outer.exists() and other != outer
            (other / "z").touch()
        assert names(tmp_path / "x") == ["z"]
    assert names(tmp_path) == ["x"] and names(tmp_path / "x") == ["y"]


def test_what_a_killed_process_left_is_swept_before_the_work(tmp_path):
    (tmp_path / ".x.panda-abcdefgh").mkdir()
    (tmp_path / ".x.panda-abcdefgh" / "half").touch()
    with staging(tmp_path / "x") as work:
        assert not (tmp_path / ".x.panda-abcdefgh").exists()
        work.touch()
