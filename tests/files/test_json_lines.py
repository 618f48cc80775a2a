"""JSON files that are damaged are a sentence; half a last line is nothing."""

import os

import pytest

from panda import PandaError
from panda.errors import DiskError
from panda.files.json_lines import append_rows, read_json, read_rows


@pytest.fixture
def file(tmp_path):
    append_rows(tmp_path / "new" / "rows" / "x.jsonl", [{"a": 1}, {"a": 2}])
    return tmp_path / "new" / "rows" / "x.jsonl"


def test_rows_come_back_and_more_are_added(file):
    append_rows(file, [{"a": 3}])
    assert read_rows(file) == [{"a": 1}, {"a": 2}, {"a": 3}]


@pytest.mark.parametrize("cut", [1, 2, 6])
def test_half_a_last_line_is_left_out_and_cut_off_before_the_next(file, cut):
    file.write_bytes(file.read_bytes()[:-cut])
    assert read_rows(file) == [{"a": 1}]
    append_rows(file, [{"a": 3}])
    assert read_rows(file) == [{"a": 1}, {"a": 3}]


@pytest.mark.parametrize("half", [b'{"a"', b"{"])
def test_half_of_the_only_line_is_an_empty_file(file, half):
    file.write_bytes(half)
    assert read_rows(file) == []
    append_rows(file, [])
    assert file.read_bytes() == b""


@pytest.mark.parametrize(
    "line", [b'{"a": 1', b"", b"[1]", b"\xff\xfe", b"[" * 100_000, b'{"b": 1}', b"1" * 5000]
)
def test_a_damaged_line_in_the_middle_is_named(file, line):
    file.write_bytes(b'{"a": 1}\n' + line + b'\n{"a": 2}\n')
    with pytest.raises(PandaError) as said:
        read_rows(file, valid=lambda row: "a" in row)
    assert str(said.value) == (
        f"{file}, line 2, is damaged: {line.decode(errors='replace')[:60]!r};"
        " delete the line, and what it held is made again"
    )


def test_any_object_is_a_row_unless_its_reader_needs_more_of_it(file):
    append_rows(file, [{}])
    assert read_rows(file) == [{"a": 1}, {"a": 2}, {}]


def test_rows_that_cannot_be_read_or_written_are_a_sentence(tmp_path):
    with pytest.raises(PandaError) as said:
        read_rows(tmp_path / "missing.jsonl")
    assert str(said.value) == (
        f"{tmp_path / 'missing.jsonl'} cannot be read: No such file or directory"
    )
    (tmp_path / "file").touch()
    with pytest.raises(DiskError) as said:
        append_rows(tmp_path / "file" / "x.jsonl", [])
    assert str(said.value) == f"cannot write {tmp_path / 'file' / 'x.jsonl'}: File exists"


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"3", b"\xff", b"[" * 100_000])
def test_damaged_json_says_what_was_expected_and_what_to_do(tmp_path, content):
    (tmp_path / "plan.json").write_bytes(content)
    with pytest.raises(PandaError, match=r"plan\.json is damaged, expected settings.*; remove it"):
        read_json(tmp_path / "plan.json", "settings", "remove it")


def test_a_json_object_is_read_and_what_to_do_is_said_by_default(tmp_path):
    path = tmp_path / "plan.json"
    path.write_text('{"a": [1]}')
    assert read_json(path, "settings") == {"a": [1]}
    path.write_text("[1]")
    with pytest.raises(PandaError) as said:
        read_json(path, "settings")
    assert str(said.value) == (
        f"{path} is damaged, expected settings; delete it to have it made again"
    )


def test_json_that_is_no_file_is_refused(tmp_path):
    with pytest.raises(PandaError, match="cannot be read: Is a directory; delete it"):
        read_json(tmp_path, "settings")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(PandaError, match="neither a file nor a folder"):
        read_json(tmp_path / "pipe", "settings")
