"""A path that does not exist: what the user may have meant."""

import pytest

from panda import PandaError
from panda.checkpoints.read import read_checkpoint
from panda.files.nearest import nearest_file


def test_a_similar_name_of_the_same_folder_is_suggested(tmp_path, monkeypatch):
    (tmp_path / "faces-2").mkdir()
    (tmp_path / ".faces-3").mkdir()
    assert nearest_file(tmp_path / "faces-3") == f"; did you mean '{tmp_path / 'faces-2'}'?"
    monkeypatch.chdir(tmp_path)
    assert nearest_file("faces") == "; did you mean 'faces-2'?"


def test_what_has_no_similar_name_has_no_suggestion(tmp_path):
    (tmp_path / "faces").mkdir()
    assert nearest_file(tmp_path / "network.pkl") == ""
    assert nearest_file(tmp_path / "faces") == ""
    assert nearest_file(tmp_path / "a\0b") == ""


def test_a_link_that_leads_nowhere_is_not_its_own_suggestion(tmp_path):
    (tmp_path / "faces").symlink_to("gone")
    assert nearest_file(tmp_path / "faces") == "; it is a link to gone, which does not exist"


def test_the_nearest_of_several_similar_names_is_suggested(tmp_path):
    for name in ("faces-10", "faces-2", "faces"):
        (tmp_path / name).mkdir()
    assert nearest_file(tmp_path / "faces-21") == f"; did you mean '{tmp_path / 'faces-2'}'?"


def test_a_folder_that_cannot_be_read_has_no_suggestion(tmp_path, monkeypatch):
    def refuse(folder):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.iterdir", refuse)
    assert nearest_file(tmp_path / "faces") == ""


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    assert nearest_file(tmp_path / "runs" / "x.pkl") == f"; there is no folder {tmp_path / 'runs'}"


def test_a_checkpoint_with_a_typo_in_its_name_is_suggested(tmp_path):
    (tmp_path / "network.pkl").touch()
    with pytest.raises(PandaError, match="netwrok.pkl cannot be read: No such file .*'.*network"):
        read_checkpoint(tmp_path / "netwrok.pkl")
