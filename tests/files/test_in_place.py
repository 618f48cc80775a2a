"""No file is changed through a link, and none that has another name."""

import os

import pytest
import torch

from panda import PandaError
from panda.evaluation.store import BenchmarkFolder
from panda.factorization.samples import Samples
from panda.files.in_place import open_in_place
from panda.files.json_lines import append_rows
from panda.files.locks import hold_folder


def rows(path):
    append_rows(path, [{"seed": 1}])


def samples(path):
    Samples(4, (2, 3), torch.device("cpu"), path)


def lock(path):
    with hold_folder(path.parent, path.name):
        pass


WRITERS = [rows, samples, lock, open_in_place]


@pytest.fixture
def mine(tmp_path):
    """A file outside of the folder of results, without a line break at its end."""
    file = tmp_path / "mine"
    file.write_text("two lines\nof mine")
    (tmp_path / "results").mkdir()
    yield file
    assert file.read_text() == "two lines\nof mine"


@pytest.mark.parametrize("write", WRITERS)
def test_no_writer_follows_a_link(mine, write):
    link = mine.parent / "results" / "x"
    link.symlink_to(mine)
    with pytest.raises(PandaError, match=r"results/x is a link, and results are never written"):
        write(link)
    assert link.is_symlink()


@pytest.mark.parametrize("write", WRITERS)
def test_no_writer_makes_what_a_link_leads_to(tmp_path, write):
    (tmp_path / "x").symlink_to(tmp_path / "new")
    with pytest.raises(PandaError, match="is a link"):
        write(tmp_path / "x")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("write", WRITERS)
def test_no_writer_changes_a_file_of_two_names(mine, write):
    os.link(mine, mine.parent / "results" / "x")
    with pytest.raises(PandaError, match="results/x has another name, too"):
        write(mine.parent / "results" / "x")


@pytest.mark.parametrize("write", WRITERS)
def test_a_pipe_is_refused_at_once(tmp_path, write):
    os.mkfifo(tmp_path / "x")
    with pytest.raises(PandaError, match="x is no file"):
        write(tmp_path / "x")


def test_features_are_not_added_through_a_link(mine):
    folder = BenchmarkFolder(mine.parent / "out", {})
    folder.add_features("before", "1-of-1", [3], torch.ones(1, 4))
    file = mine.parent / "out" / "rows" / "before.1-of-1.features"
    file.write_bytes(file.read_bytes() + b"half a record")
    folder.add_features("before", "1-of-1", [5], torch.ones(1, 4))
    assert list(folder.features("before", 4)) == [3, 5]
    file.unlink()
    file.symlink_to(mine)
    with pytest.raises(PandaError, match="is a link"):
        folder.add_features("before", "1-of-1", [3], torch.ones(1, 4))


def test_a_file_is_opened_at_its_beginning_and_kept(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    with open_in_place(tmp_path / "x") as file:
        assert file.read() == b"abc"
        file.write(b"d")
    assert (tmp_path / "x").read_bytes() == b"abcd"
