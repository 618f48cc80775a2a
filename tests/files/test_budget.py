"""What reading a file may cost: bytes by its size, and names and steps whatever its size."""

import os

import pytest

from panda import PandaError
from panda.files import budget
from panda.files.budget import NAMES, SMALL, STEPS, Budget, File, load_json, parse_json

TOO_MUCH = "wants .* bytes more memory than the file can fill"


@pytest.fixture(autouse=True)
def nothing_to_spare(monkeypatch):
    monkeypatch.setattr(budget, "SPARE", 0)


@pytest.fixture
def path(tmp_path):
    (tmp_path / "file").write_bytes(bytes(10_000))
    return tmp_path / "file"


def test_a_file_fills_three_times_its_bytes_under_any_number_of_names(path, tmp_path):
    os.link(path, tmp_path / "other")
    budget = Budget()
    for name in ("file", "other", "file"):
        with File(tmp_path / name, budget) as file:
            assert len(file.read()) == 10_000
    with File(path, budget) as file, pytest.raises(PandaError, match="wants 10000 bytes more"):
        file.read()


def test_each_file_of_a_checkpoint_adds_to_what_it_may_fill(path, tmp_path):
    (tmp_path / "other").write_bytes(bytes(5_000))
    budget = Budget()
    with File(path, budget), File(tmp_path / "other", budget):
        budget.spend(bytes=45_000)
        with pytest.raises(PandaError, match="wants 1 bytes more"):
            budget.spend(bytes=1)


@pytest.mark.parametrize("size", [None, -1, 10**12, 9_000])
def test_a_read_costs_what_is_left_of_the_file(path, size):
    budget = Budget()
    with File(path, budget) as file:
        file.seek(1_000)
        assert len(file.read(size)) == 9_000
        budget.spend(bytes=21_000)
        with pytest.raises(PandaError, match=TOO_MUCH):
            budget.spend(bytes=1)


def test_a_read_of_a_part_costs_that_part(path):
    budget = Budget()
    with File(path, budget) as file:
        assert len(file.read(5_000)) == 5_000
        budget.spend(bytes=25_000)
        with pytest.raises(PandaError, match=TOO_MUCH):
            budget.spend(bytes=1)


def test_a_read_behind_the_end_is_empty_and_costs_nothing(path):
    budget = Budget()
    with File(path, budget) as file:
        budget.spend(bytes=30_000)
        file.seek(20_000)
        assert file.read() == b""


def test_only_small_reads_and_lines_cost_nothing(path):
    budget = Budget()
    with File(path, budget) as file:
        budget.spend(bytes=30_000)
        assert file.read(SMALL) == bytes(SMALL)
        assert file.read(0) == b""
        file.seek(0)
        assert file.readline() == bytes(SMALL)
        with pytest.raises(PandaError, match=TOO_MUCH):
            file.read(SMALL + 1)


def test_names_and_steps_have_limits_of_their_own():
    budget = Budget()
    budget.spend(names=NAMES, steps=STEPS)
    budget.spend(bytes=0)
    budget = Budget()
    budget.spend(steps=STEPS - 1)
    budget.step()
    with pytest.raises(PandaError, match=f"over {STEPS} steps to read"):
        budget.step()
    with pytest.raises(PandaError, match=f"over {NAMES} names"):
        Budget().spend(names=NAMES + 1)


def test_a_letter_of_a_joined_text_takes_four_bytes():
    budget = Budget(4)
    budget.spend_text("a", "bc")
    with pytest.raises(PandaError, match="wants 4 bytes more"):
        budget.spend_text("d")


def test_a_whole_text_has_a_largest_size(path, monkeypatch):
    monkeypatch.setattr(budget, "LARGEST_TEXT", 10_000)
    with File(path, Budget()) as file:
        assert len(file.text()) == 10_000
    monkeypatch.setattr(budget, "LARGEST_TEXT", 9_999)
    with File(path, Budget()) as file, pytest.raises(PandaError, match="a text of 10000 bytes"):
        file.text()


@pytest.mark.parametrize("separator", [",", ":", "[", "{"])
def test_json_of_very_many_values_is_refused_before_it_is_read(tmp_path, separator):
    (tmp_path / "file.json").write_text(separator * (STEPS + 1))
    with pytest.raises(PandaError, match=f"file.json: over {STEPS} steps to read"):
        load_json(tmp_path / "file.json")


def test_json_costs_its_bytes_or_four_times_as_many_if_it_is_not_ascii():
    plain, other = '["abcd"]', '["ä"]'
    parse_json(plain, given := Budget(3))
    given.spend(bytes=1)
    with pytest.raises(PandaError, match=TOO_MUCH):
        given.spend(bytes=1)
    parse_json(other, given := Budget(8))
    with pytest.raises(PandaError, match=TOO_MUCH):
        given.spend(bytes=1)


def test_a_json_file_costs_its_bytes_as_read_and_as_text(tmp_path, monkeypatch):
    (tmp_path / "file.json").write_text('["ä"]', encoding="utf-8")
    monkeypatch.setattr(budget, "SPARE", 12)
    assert load_json(tmp_path / "file.json") == ["ä"]
    monkeypatch.setattr(budget, "SPARE", 11)
    with pytest.raises(PandaError, match="file.json: wants 1 bytes more"):
        load_json(tmp_path / "file.json")


def test_json_has_the_budget_of_its_size_where_none_is_given():
    assert parse_json('["abcd"]') == ["abcd"]
    with pytest.raises(PandaError, match=TOO_MUCH):
        parse_json('["ä"]')


@pytest.mark.parametrize("text", ['["ä"]', '["ä"]'.encode(), '\ufeff["ä"]'.encode()])
def test_json_is_a_text_or_its_bytes_with_or_without_a_mark(text):
    assert parse_json(text, Budget(100)) == ["ä"]


def test_half_a_letter_is_damage():
    with pytest.raises(ValueError, match="decode"):
        parse_json('"\ud800"', Budget(100))
