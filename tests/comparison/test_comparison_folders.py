"""The folder of a comparison: what is the user's stays in it, and it leads nowhere else."""

from dataclasses import replace

import pytest
from comparing import SMALL
from conftest import TinyGenerator

from panda import PandaError
from panda.comparison import analysis, compare
from panda.comparison.report import write
from panda.generators import entries

PLAN = replace(SMALL, levels=(4,))


@pytest.fixture
def out(tmp_path, monkeypatch):
    """The folder of a comparison of the tiny generator that is done."""
    monkeypatch.setattr(analysis, "create_generator", lambda name, device: TinyGenerator())
    monkeypatch.setattr(entries, "find_card", lambda name: None)
    monkeypatch.setattr(entries, "is_file", lambda name: False)
    write(compare("tiny", tmp_path / "out", PLAN), tmp_path / "out")
    return tmp_path / "out"


def everything(folder):
    return {str(path): path.is_file() and path.read_bytes() for path in sorted(folder.rglob("*"))}


def test_files_of_the_users_stay_in_it(out):
    notes = [out / "notes.txt", out / "generators" / "notes.txt"]
    notes += [next((out / "generators").glob("*/level-4")) / "notes.txt"]
    for path in notes:
        path.write_text("mine")
    write(compare("tiny", out, PLAN), out)
    assert [path.read_text() for path in notes] == ["mine"] * 3


@pytest.mark.parametrize("name", ["results.md", "report.html"])
def test_a_page_that_the_user_has_changed_is_refused_before_the_work(out, name, monkeypatch):
    (out / name).write_text("mine")
    before = everything(out)
    monkeypatch.setattr(analysis, "create_generator", None)
    with pytest.raises(PandaError, match=rf"has changed since \({name}\); move it away"):
        compare("tiny", out, PLAN)
    assert everything(out) == before


def test_a_level_without_figures_is_made_again_unless_the_user_has_files_in_it(out):
    (level,) = (out / "generators").glob("*/level-4")
    (level / "figures.json").unlink()
    (level / "notes.txt").write_text("mine")
    with pytest.raises(PandaError, match=r"level-4 holds what PandA did not write.*notes.txt"):
        compare("tiny", out, PLAN)
    assert (level / "notes.txt").read_text() == "mine"
    (level / "notes.txt").unlink()
    assert compare("tiny", out, PLAN).generators[0].levels


@pytest.mark.parametrize("name", [".lock", "plan.json", "report.html", "generators", "new"])
def test_the_folder_of_a_stranger_leads_to_no_other_files(out, name, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "file").write_text("mine")
    (mine / ".fit-4").mkdir()
    if (out / name).exists():
        (out / name).rename(tmp_path / "elsewhere")
    (out / name).symlink_to(mine if name in ("generators", "new") else mine / "file")
    before = everything(mine)
    with pytest.raises(PandaError, match=r"is a link, and results are|what PandA did not write"):
        compare("tiny", out, PLAN)
    assert everything(mine) == before
