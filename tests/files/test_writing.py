"""Whether results can be written is found out before the work, of the path that was given."""

import pytest

from panda.errors import DiskError, PandaError
from panda.factorization.fit import fit
from panda.files.writing import check_target


def test_a_target_that_cannot_be_written_is_named_as_given(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DiskError) as said:
        check_target(tmp_path / "file" / "x")
    assert str(said.value).startswith(f"cannot write {tmp_path / 'file' / 'x'}: ")
    assert "probe" not in str(said.value)


def test_checking_a_target_leaves_nothing(tmp_path):
    check_target(tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


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
