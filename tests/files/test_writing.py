"""Whether results can be written is found out before the work, and without a trace."""

import pytest

from panda.errors import DiskError, PandaError
from panda.factorization.fit import fit
from panda.files.writing import check_target, staging


def test_a_target_that_cannot_be_written_is_named_as_given(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DiskError) as said:
        check_target(tmp_path / "file" / "x")
    assert str(said.value).startswith(f"cannot write {tmp_path / 'file' / 'x'}: ")


@pytest.mark.parametrize("target", ["x", "new/x", "new/other/x"])
def test_checking_a_target_leaves_nothing(tmp_path, target):
    check_target(tmp_path / target)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("target", ["y" * 300, "y" * 300 + "/x", "new/" + "y" * 300 + "/x"])
def test_a_name_that_no_file_can_have_is_refused_before_the_work(tmp_path, target):
    with pytest.raises(DiskError, match="File name too long"):
        check_target(tmp_path / target)
    assert list(tmp_path.iterdir()) == []


def test_no_file_beside_the_target_is_touched(tmp_path):
    """`x.probe` was overwritten, and what it leads to, and then removed."""
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "x.probe").symlink_to(tmp_path / "mine")
    (tmp_path / "y.probe").write_text("mine")
    before = {path: path.lstat() for path in tmp_path.iterdir()}
    check_target(tmp_path / "x")
    check_target(tmp_path / "y")
    assert {path: path.lstat() for path in tmp_path.iterdir()} == before


def test_folders_that_were_made_for_nothing_are_removed(tmp_path):
    with pytest.raises(PandaError), staging(tmp_path / "a" / "b" / "c"):
        raise PandaError("refused")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mine").mkdir()
    with pytest.raises(PandaError), staging(tmp_path / "mine" / "c"):
        raise PandaError("refused")
    assert list(tmp_path.iterdir()) == [tmp_path / "mine"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("x" * 300, "File name too long"),
        ("x" * 250, "File name too long"),  # room for a temporary name is needed
        ("x" * 5000, "File name too long"),
        ("a\0b", "null character"),
        ("\ud800", "cannot be a file name in this locale"),
    ],
)
def test_a_name_that_no_file_can_have_is_one_sentence(tmp_path, tiny, name, sentence):
    with pytest.raises(PandaError, match=sentence):
        check_target(tmp_path / name)
    with pytest.raises(PandaError, match=sentence):
        fit(tiny, "a", parts=2, seeds=4).save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []
