import pytest
from hypothesis import given
from hypothesis import strategies as st

from panda import PandaError
from panda.generators.seeds import parse_numbers


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("0", [0]), ("0-3", [0, 1, 2, 3]), ("3,5,10-12", [3, 5, 10, 11, 12]), (" 1 , 2", [1, 2])],
)
def test_seeds_are_read(text, seeds):
    assert parse_numbers(text) == seeds


@pytest.mark.parametrize(
    "text", ["", ",", "1,", "a", "-1", "1.5", "3-1", "1,1", "0-3,2", "99999999999", "0-4294967296"]
)
def test_other_text_is_refused(text):
    with pytest.raises(PandaError, match="seeds"):
        parse_numbers(text)


@given(st.text(max_size=12))
def test_any_text_is_read_or_refused_in_one_sentence(text):
    try:
        numbers = parse_numbers(text)
    except PandaError as error:
        assert "\n" not in str(error)
    else:
        assert len(set(numbers)) == len(numbers) > 0
