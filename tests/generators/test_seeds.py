import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from panda import PandaError
from panda.generators.seeds import as_seeds, parse_numbers


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


@pytest.mark.parametrize(
    "seeds",
    [
        3,
        "0-2",
        [0, 1, 2],
        range(3),
        np.arange(3),
        torch.arange(3),
        np.int64(3),
        torch.tensor(3),
        (np.uint8(0), torch.tensor(1), 2),
        iter([0, 1, 2]),
    ],
)
def test_seeds_come_in_any_natural_form(seeds):
    given_ = as_seeds(seeds)
    assert list(given_) == [0, 1, 2]
    assert all(type(seed) is int for seed in given_)


def test_long_ranges_take_no_memory():
    assert as_seeds(range(10**9)) == range(10**9)


@pytest.mark.parametrize(
    "seeds",
    [
        0,
        -1,
        [],
        range(0),
        [-1],
        [2**32],
        range(-1, 3),
        range(2**32 + 1),
        1.5,
        [0.0],
        None,
        object(),
        [True],
        True,
        "x",
        np.array([0.5]),
        torch.tensor([1.0]),
        np.zeros((2, 2), int),
        ["1"],
    ],
)
def test_what_is_no_seed_is_one_sentence(seeds):
    with pytest.raises(PandaError, match="seed"):
        as_seeds(seeds)


@pytest.mark.parametrize(
    ("seeds", "sentence"),
    [
        (-3, "^-3 seeds were asked for, expected at least one$"),
        (np.int64(0), "^0 seeds were asked for, expected at least one$"),
        (np.float64(1.5), "^seeds 1.5: expected whole numbers"),
        (torch.tensor(1.5), "^seeds 1.5: expected whole numbers"),
        (np.array([0.5]), "^seed 0.5 is not a whole number"),
    ],
)
def test_numbers_are_shown_as_they_are_written(seeds, sentence):
    with pytest.raises(PandaError, match=sentence):
        as_seeds(seeds)
