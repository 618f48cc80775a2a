"""A folder that is replaced: the new one whole, or the old one where that fails."""

import os
from pathlib import Path

import pytest

from panda import PandaError
from panda.errors import DiskError
from panda.files import exchange
from panda.files.writing import check_target, is_empty, staging, sweep, write_text


def replace(target, text="new"):
    with staging(target) as work:
        work.mkdir()
        (work / "x").write_text(text)


@pytest.fixture
def target(tmp_path):
    replace(tmp_path / "results", "old")
    return tmp_path / "results"


def test_a_folder_is_replaced_whole(target):
    (target / "y").touch()
    replace(target)
    assert [path.name for path in target.parent.iterdir()] == ["results"]
    assert [path.name for path in target.iterdir()] == ["x"]
    assert (target / "x").read_text() == "new"


def test_the_old_folder_is_put_back_where_the_new_one_cannot_take_its_place(target, monkeypatch):
    rename, failed = os.rename, []

    def refuse(source, place, **options):
        if os.fspath(place) == str(target) and not failed:
            failed.append(source)
            raise OSError(5, "Input/output error")
        return rename(source, place, **options)

    monkeypatch.setattr(os, "rename", refuse)
    monkeypatch.setattr(exchange, "_exchanged", lambda new, target: False)  # no single step
    with pytest.raises(DiskError) as said:
        replace(target)
    assert str(said.value) == f"cannot write {target}: Input/output error"
    assert (target / "x").read_text() == "old"
    assert [path.name for path in target.parent.iterdir()] == ["results"]


def test_a_folder_of_leftovers_alone_is_empty(tmp_path):
    assert is_empty(tmp_path)
    (tmp_path / ".x.panda-abcdefgh").mkdir()
    assert is_empty(tmp_path)
    (tmp_path / ".x.panda-abc").mkdir()
    assert not is_empty(tmp_path)


def test_only_leftovers_of_the_target_are_swept_and_empty_ones_of_others(tmp_path):
    for name in ("x", "y", "z"):
        folder = tmp_path / f".{name}.panda-abcdefgh"
        folder.mkdir()
        if name != "z":
            (folder / "half").touch()
    (tmp_path / ".x.panda-12345678").touch()
    (tmp_path / ".x.other-abcdefgh").mkdir()
    sweep(tmp_path / "x")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".x.other-abcdefgh",
        ".x.panda-12345678",
        ".y.panda-abcdefgh",
    ]
    sweep(tmp_path / "no" / "folder")


def test_text_for_people_is_utf_8_without_what_a_terminal_would_obey(tmp_path):
    write_text(str(tmp_path / "a.txt"), "lächeln\n\x1b[2J\ud800\n")
    assert (tmp_path / "a.txt").read_bytes() == b"l\xc3\xa4cheln\n\\x1b[2J\\ud800\n"


def test_text_is_utf_8_in_any_locale(tmp_path, monkeypatch):
    monkeypatch.setattr("io.text_encoding", lambda encoding, *_: encoding or "ascii")
    write_text(tmp_path / "a.txt", "ä")
    assert (tmp_path / "a.txt").read_bytes() == b"\xc3\xa4"


@pytest.mark.parametrize("target", ["/", "..", "a/.."])
def test_what_is_no_name_is_refused_before_the_work(target):
    with pytest.raises(PandaError) as said:
        check_target(Path(target))
    assert str(said.value) == (f"results cannot be written to {Path(target)}; name a new folder")
