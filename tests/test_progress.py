"""Progress where nobody sees a terminal: lines in a log, widgets in a notebook."""

import importlib.machinery
import sys
import types

import pytest

from panda import progress
from panda.progress import bar


@pytest.fixture(autouse=True)
def asked(monkeypatch):
    """The other tests are silent."""
    monkeypatch.delenv("TQDM_DISABLE", raising=False)


@pytest.fixture
def clock(monkeypatch):
    """Time that passes when it is told to."""
    now = types.SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(progress.tqdm, "_time", lambda self: now.seconds, raising=False)
    monkeypatch.setattr("tqdm.std.time", lambda: now.seconds)
    monkeypatch.setattr(progress.time, "monotonic", lambda: now.seconds)
    return now


def test_a_log_gets_a_line_every_few_seconds(clock, capsys):
    with bar(total=1000, desc="fit", unit="img") as shown:
        for _ in range(100):
            clock.seconds += 0.25
            shown.update(10)
            shown.set_postfix_str("round 3")
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "fit: 200 of 1000 (20 %), round 3, 5 s"
    assert said[1] == "fit: 400 of 1000 (40 %), round 3, 10 s"
    assert len(said) == 5


def test_short_work_leaves_no_line(clock, capsys):
    for _ in bar(range(4), desc="fit"):
        clock.seconds += 1.1
    assert capsys.readouterr().err == ""


def test_lines_do_without_a_total_and_count_bytes(clock, capsys):
    with bar(desc="solve", unit="rounds") as shown:
        clock.seconds += 6
        shown.update(40)
    with bar(total=38_000_000, unit="B", unit_scale=True) as shown:
        clock.seconds += 6
        shown.update(19_000_000)
    said = capsys.readouterr().err.splitlines()
    assert said == ["solve: 40 rounds, 6 s", "19.0M of 38.0M (50 %), 6 s"]


@pytest.mark.parametrize(("name", "value"), [("RANK", "1"), ("TQDM_DISABLE", "1")])
def test_other_ranks_and_who_asks_for_silence_see_nothing(name, value, clock, capsys, monkeypatch):
    monkeypatch.setenv(name, value)
    for _ in bar(range(4), desc="fit"):
        clock.seconds += 10
    assert capsys.readouterr().err == ""


def test_a_program_without_stderr_works(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    assert list(bar(range(3))) == [0, 1, 2]


@pytest.mark.parametrize("installed", [True, False])
def test_a_notebook_shows_widgets_or_lines_and_warns_of_nothing(installed, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipykernel.zmqshell", types.ModuleType("ipykernel.zmqshell"))
    spec = importlib.machinery.ModuleSpec("ipywidgets", None) if installed else None
    monkeypatch.setattr(progress, "find_spec", lambda name: spec)
    notebook = types.ModuleType("tqdm.notebook")
    notebook.tqdm = type("Widgets", (progress.tqdm,), {})
    monkeypatch.setitem(sys.modules, "tqdm.notebook", notebook)
    with bar(total=3) as shown:
        assert isinstance(shown, notebook.tqdm) is installed
        assert not shown.disable


def test_a_terminal_shows_a_bar(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with bar(total=3, desc="fit") as shown:
        shown.update(3)
    assert "fit: " in capsys.readouterr().err and not isinstance(shown, progress._Lines)
