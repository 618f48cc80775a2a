"""What verbs print: in every locale, without what steers a terminal, with tracebacks on demand."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from panda import PandaError
from panda.cli import main
from panda.cli.output import print_json, say
from panda.files.writing import write_text
from panda.notes import note

TESTS = Path(__file__).parents[1]


def test_every_verb_runs_in_a_locale_that_knows_ascii_alone():
    locale = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    ran = subprocess.run(
        [sys.executable, "ascii_verbs.py"],
        cwd=TESTS,
        env={**os.environ, **locale, "PYTHONIOENCODING": "ascii", "OMP_NUM_THREADS": "1"},
        capture_output=True,
    )
    assert ran.returncode == 0, ran.stderr.decode(errors="replace")[-3000:]
    commands = [line for line in ran.stderr.split(b"\n") if line[:3] in (b"0 [", b"1 [", b"2 [")]
    assert sum(line.startswith(b"0") for line in commands) > 50
    for written in (ran.stdout, ran.stderr):
        assert written.isascii() and b"\x1b" not in written


def test_names_of_files_do_not_steer_the_terminal(tmp_path, capsys):
    edit = {"generator": "x\x1b]0;title\x07", "layer": "a\u202eb", "appearances": 1, "parts": 1}
    zoo = {"format": 1, "edits": {"smile": {**edit, "edits": ["0:0:1"]}}}
    file = tmp_path / "zoo.json"
    file.write_text(json.dumps(zoo))
    assert main(["edits", str(file)]) == 2  # a name of an edit is printable
    assert "\x1b" not in capsys.readouterr().err
    say("a\x1b[2Jb\nc \x9b \u202e \udce9 caf\u00e9", "second")
    note("a\x1b[2Jb\nc")
    said = capsys.readouterr()
    assert said.out == "a\\x1b[2Jb\\nc \\x9b \\u202e \\udce9 caf\u00e9\nsecond\n"
    assert said.err == "a\\x1b[2Jb\\nc\n"


def test_a_stream_gets_what_its_encoding_has(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "stderr", stream)
    say("\u00b1 1")
    note("\u00b7 2")
    assert stream.buffer.getvalue() == b"\\xb1 1\n\\xb7 2\n"


def test_json_keeps_every_character(capsys):
    text = "".join(map(chr, range(0x250))) + "\udce9\u202e"
    print_json({text: text})
    written = capsys.readouterr().out
    assert json.loads(written) == {text: text}
    assert written.replace("\n", "").isprintable()


def test_a_text_for_people_is_written_whatever_names_are_in_it(tmp_path):
    write_text(tmp_path / "results.md", "caf\u00e9\n\udce9 \x1b[31m\n")
    assert (tmp_path / "results.md").read_bytes() == b"caf\xc3\xa9\n\\udce9 \\x1b[31m\n"


@pytest.mark.parametrize(
    ("value", "option", "shown"),
    [
        ("1", [], True),
        ("0", [], False),
        ("", [], False),
        (None, [], False),
        (None, ["--traceback"], True),
        ("0", ["--traceback"], True),
    ],
)
def test_a_traceback_is_shown_where_it_is_asked_for(monkeypatch, capsys, value, option, shown):
    def fails(options):
        try:
            raise KeyError("the cause")
        except KeyError as error:
            raise PandaError("a sentence") from error

    monkeypatch.setattr("panda.cli.catalog.show_list", fails)
    monkeypatch.delenv("PANDA_DEBUG", raising=False)
    if value is not None:
        monkeypatch.setenv("PANDA_DEBUG", value)
    assert main(["list", *option]) == 2
    assert os.environ.get("PANDA_DEBUG") == value
    *lines, last = capsys.readouterr().err.splitlines()
    assert last == "panda: a sentence" and bool(lines) is shown
    assert not shown or ("KeyError: 'the cause'" in lines and f'"{__file__}"' in "".join(lines))
