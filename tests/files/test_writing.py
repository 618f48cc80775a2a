"""Whether results can be written is found out before the work, of the path that was given."""

import pytest

from panda.errors import DiskError
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
