"""Parts by number, by text and by name."""

import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from panda import PandaError
from panda.factorization.fit import fit

NAMES = ["hair", "mouth, nose", "Hair", "hair, background", "upper left"]


@pytest.fixture(scope="module")
def unnamed():
    from conftest import TinyGenerator

    return fit(TinyGenerator(), "b", parts=5, seeds=range(20))


@pytest.fixture(scope="module")
def named(unnamed):
    names = {"parts": [{"name": name, "edits": []} for name in NAMES]}
    return replace(unnamed, config={**unnamed.config, "names": names})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (3, (3,)),
        ("3", (3,)),
        (" 0 + 1 ", (0, 1)),
        ("0,1", (0, 1)),
        ("4,0-2", (4, 0, 1, 2)),
        ([1, 0], (1, 0)),
        (range(2), (0, 1)),
        ({"2": "in a mapping, its keys"}, (2,)),
        (np.int64(3), (3,)),
        (np.arange(2), (0, 1)),
        (torch.tensor(3), (3,)),
        (torch.tensor([0, 1]), (0, 1)),
        ("1+1", (1,)),
        ([], ()),
        ((), ()),
        ([2, "0+1"], (2, 0, 1)),
    ],
)
def test_numbers_come_in_any_natural_form(unnamed, given, expected):
    found = unnamed.find_parts(given)
    assert found == expected
    assert all(type(part) is int for part in found)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("hair", (0, 2)),  # parts of that very name, before those that cover more
        ("HAIR", (0, 2)),
        ("background", (3,)),
        ("nose", (1,)),
        ("mouth, nose", (1,)),
        ("mouth,nose", (1,)),
        ("mouth, nose+upper left", (1, 4)),
        ("hair+4", (0, 2, 4)),
        ("hair,4", (0, 2, 4)),
        (["nose", 0], (1, 0)),
    ],
)
def test_names_stand_for_all_parts_that_have_them(named, given, expected):
    assert named.find_parts(given) == expected


def test_names_with_signs_between_their_words_are_names_all_the_same(unnamed):
    names = ["left + right", "lip", "a,b", "lip+chin", "Left + Right, chin"]
    parts = {"parts": [{"name": name, "edits": []} for name in names]}
    odd = replace(unnamed, config={**unnamed.config, "names": parts})
    for given, expected in {
        "left + right": (0,),
        "LEFT + RIGHT+lip": (0, 1),
        "lip,left + right": (1, 0),
        "lip+chin": (3,),
        "lip+lip+chin": (1, 3),
        "a,b+2": (2,),
        "left + right, chin": (4,),
    }.items():
        assert odd.find_parts(given) == expected, given
    with pytest.raises(PandaError, match="there is no part 'left'"):
        odd.find_parts("left+lip")
    started = time.process_time()
    with pytest.raises(PandaError, match="there is no part ''"):
        odd.find_parts("+" * 20_000)
    assert time.process_time() - started < 5


def test_names_are_those_that_were_found(named, unnamed):
    assert named.part_names == tuple(NAMES)
    assert unnamed.part_names == ()


@pytest.mark.parametrize(
    "names", [3, {}, {"parts": 3}, {"parts": [{"name": 3}] * 5}, {"parts": []}]
)
def test_damaged_names_are_none(unnamed, names):
    assert replace(unnamed, config={"names": names}).part_names == ()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("hiar", "there is no part 'hiar'; did you mean 'hair'"),
        ("nose+moth", "there is no part 'moth'; did you mean 'mouth'"),
        (5, "part 5: these factors have parts 0 to 4"),
        (-1, "part -1: these factors have parts 0 to 4"),
        ("0-9", "part 9: these factors have parts 0 to 4"),
        ("-1", "part -1: these factors have parts 0 to 4"),
        ("1234567890123", "part 1234567890123: these factors have parts 0 to 4"),
        ("0-1234567890123", "part 1234567890123: these factors have parts 0 to 4"),
        ("3-1", "the range runs backwards"),
        ("", "there is no part ''"),
        (None, "parts None: expected whole numbers from 0 to 4, or names"),
        (1.0, "parts 1.0: expected whole numbers"),
        (True, "parts True: expected whole numbers"),
        ([[0, 1.5]], "parts 1.5: expected whole numbers"),
        (torch.zeros(2, 2, dtype=torch.int64), "expected whole numbers"),
    ],
)
def test_parts_that_do_not_exist_are_one_sentence(named, given, sentence):
    with pytest.raises(PandaError, match=sentence):
        named.find_parts(given)


def test_a_name_before_there_are_names_says_what_to_run(unnamed):
    with pytest.raises(PandaError, match="have no names yet.*numbers from 0 to 4.*panda name"):
        unnamed.find_parts("hair")
