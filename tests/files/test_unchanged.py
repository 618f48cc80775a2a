"""What changes while it is read is a sentence; `tests/races.py` tries more moments."""

import random

import pytest
import races

from panda import PandaError
from panda.factorization import factor_files
from panda.factorization.factors import Factors
from panda.factorization.fit import fit
from panda.files.exchange import exchange
from panda.files.unchanged import unchanged


@pytest.fixture
def two(tiny, tmp_path):
    """Two folders of factors of the same shapes."""
    folders = tmp_path / "a", tmp_path / "b"
    for folder, seeds in zip(folders, (range(8), range(8, 16)), strict=True):
        fit(tiny, "b", parts=2, seeds=seeds).save(folder)
    return folders


def test_factors_that_are_replaced_while_they_are_read_are_no_mixture(two, monkeypatch):
    load, (folder, other) = factor_files.load_tensors, two

    def late(path, remedy):
        exchange(other, folder)
        return load(path, remedy)

    monkeypatch.setattr(factor_files, "load_tensors", late)
    refusal = r"a/config\.json changed while it was read; let what writes it finish, and try again"
    with pytest.raises(PandaError, match=refusal):
        Factors.load(folder)
    monkeypatch.undo()
    assert Factors.load(folder).config["seeds"] == "8-15"


def test_another_file_beside_is_no_change(two, monkeypatch):
    with unchanged(two[0] / "config.json"):
        (two[0] / "notes.txt").touch()


def test_what_fails_because_of_a_change_is_told_as_a_change(tmp_path):
    (tmp_path / "x").write_text("whole")
    with pytest.raises(PandaError, match="x changed while"), unchanged(tmp_path / "x"):
        (tmp_path / "x").write_text("half")
        raise ValueError("damaged")
    with pytest.raises(ValueError, match="damaged"), unchanged(tmp_path / "x"):
        raise ValueError("damaged")


def test_races_end_with_one_of_two_states_or_a_sentence(tmp_path):
    races.listen()
    for name, read, *sources in races.kinds(tmp_path):
        counts = races.race(read, tuple(sources), 6, random.Random(1))
        assert sum(counts.values()) == 6, name
