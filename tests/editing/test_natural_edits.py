"""Edits, removal, concept maps and refinement in the forms in which people write them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import TinyGenerator

from panda import PandaError
from panda.editing.apply import apply_edits, edit_images
from panda.editing.edit_files import NamedEdit, read_edits, write_edits
from panda.editing.edits import Edit, as_edits, find_edits
from panda.editing.localize import localize, localize_images
from panda.editing.refine import refine, refine_images
from panda.editing.remove import remove, remove_images
from panda.factorization.fit import fit


@pytest.fixture(scope="module")
def factors():
    return fit(TinyGenerator(), "b", parts=4, seeds=range(60))


@pytest.fixture(scope="module")
def named(factors):
    names = {"parts": [{"name": name} for name in ("hair", "eyes, nose", "left", "a beard")]}
    return replace(factors, config={**factors.config, "names": names})


@pytest.mark.parametrize(
    "parts",
    [
        1,
        np.int64(1),
        torch.tensor(1),
        [1],
        (1,),
        range(1, 2),
        {1},
        np.array([1]),
        torch.tensor([1]),
        "1",
        " 1 ",
    ],
)
def test_one_part_in_any_form(parts):
    edit = Edit(parts, "p0", 4)
    assert edit == Edit((1,), "p0", 4.0) and edit.parts == (1,)
    assert hash(edit) == hash(Edit((1,), "p0", 4.0))
    assert all(type(part) is int for part in edit.parts) and type(edit.strength) is float


@pytest.mark.parametrize(
    "parts", [[0, 2], np.array([0, 2]), "0+2", "0,2", " 0 , 2", range(0, 4, 2)]
)
def test_several_parts_in_any_form(parts):
    assert Edit(parts, np.int32(3), np.float32(-2)) == Edit((0, 2), 3, -2.0)
    assert Edit([0, 1], "bg", torch.tensor(-2)) == Edit.parse("0-1:bg:-2")


@pytest.mark.parametrize("text", ["0+2:1:5", "0,2:1:5", "0, 2:1:5"])
def test_one_separator_of_parts_is_as_good_as_the_other(text):
    assert Edit.parse(text) == Edit((0, 2), 1, 5.0)
    assert str(Edit.parse(text)) == "0+2:1:5"


def test_an_edit_shows_as_its_text():
    assert repr(Edit([0, 2], "p0", 4, sigma=True)) == "Edit('0+2:p0:4sd')"
    assert repr(Edit("hair", "p0", -1.5)) == "Edit('hair:p0:-1.5')"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((1.5, "p0", 4), "parts 1.5: expected a number, several"),
        ((None, "p0", 4), "parts None: expected a number"),
        (("", "p0", 4), "parts '': expected a number"),
        ((True, "p0", 4), "parts True: expected a number"),
        ((np.zeros((1, 1, 2, 2)), "p0", 4), "parts array.*expected a number"),
        (([0, 0.5], "p0", 4), r"parts \[0, 0.5\]: expected a number"),
        ((0, 1.5, 4), "appearance 1.5: expected a number, 'p0' or 'bg'"),
        ((0, "p0", "4sd"), "strength '4sd': expected a finite number, with sigma=True"),
        ((0, "p0", 10**400), "expected a finite number, with sigma=True"),
        ((0, "p0", [1, 2]), "strength .* expected a finite number"),
    ],
)
def test_what_is_no_edit_is_one_sentence(arguments, said):
    with pytest.raises(PandaError, match=said):
        Edit(*arguments)


@pytest.mark.parametrize("parts", ["1234567", "-1", "0-12345678901", "0+9999999", "3 -"])
def test_numbers_that_no_part_has_are_not_taken_for_names(parts):
    with pytest.raises(PandaError, match="there are no parts '"):
        Edit(parts, "p0", 1)


@pytest.mark.parametrize("parts", [-1, 4, "0+9"])
def test_parts_that_there_are_not_are_refused_when_used(factors, tiny, parts):
    with pytest.raises(PandaError, match="parts 0 to 3"):
        edit_images(tiny, factors, tiny.sample([1]), Edit(parts, "bg", 1))
    with pytest.raises(PandaError, match="parts 0 to 3"):
        remove_images(tiny, factors, tiny.sample([1]), parts)


def test_edits_are_taken_as_text_as_objects_and_as_lists_of_both(factors, tiny):
    latents = tiny.sample([1, 2])
    edits = [Edit((0,), "p0", 4.0, sigma=True), Edit((1, 2), "bg", -2.0)]
    expected = edit_images(tiny, factors, latents, edits)
    mixed = ["0:p0:4sd", Edit([1, 2], "bg", -2)]
    for given in (mixed, tuple(mixed), iter(mixed), [mixed[0], "1,2:bg:-2"]):
        assert torch.equal(edit_images(tiny, factors, latents, given), expected)
    alone = edit_images(tiny, factors, latents, edits[:1])
    assert torch.equal(edit_images(tiny, factors, latents, "0:p0:4sd"), alone)
    assert torch.equal(edit_images(tiny, factors, latents, edits[0]), alone)
    assert not torch.equal(alone, expected)


@pytest.mark.parametrize("edits", [3, None, [3], [None], [("0", "p0", 4)]])
def test_what_are_no_edits_is_one_sentence(factors, tiny, edits):
    with pytest.raises(PandaError, match=r"is no edit; expected Edit\(0, 'p0', 4\)"):
        edit_images(tiny, factors, tiny.sample([1]), edits)


def test_parts_are_known_by_name_once_they_have_names(named, factors, tiny):
    assert find_edits("hair:p0:4sd", named) == [Edit((0,), "p0", 4.0, sigma=True)]
    assert as_edits(Edit("a beard+left", "bg", 1), named) == [Edit((3, 2), "bg", 1.0)]
    assert as_edits(Edit(["hair", 2], 1, 1), named) == [Edit((0, 2), 1, 1.0)]
    latents, edit = tiny.sample([1]), Edit("nose", "p1", 3)
    expected = edit_images(tiny, named, latents, Edit(1, "p1", 3))
    assert torch.equal(edit_images(tiny, named, latents, edit), expected)
    x = tiny.head(latents, "b").x
    assert torch.equal(apply_edits(named, x, [edit]), apply_edits(named, x, [Edit(1, "p1", 3)]))
    edit.check(named)
    with pytest.raises(PandaError, match="there is no part 'hare'; did you mean 'hair'"):
        edit_images(tiny, named, latents, "hare:p0:4")
    with pytest.raises(PandaError, match="these parts have no names yet"):
        edit_images(tiny, factors, latents, "hair:p0:4")


def test_saved_edits_may_name_parts_and_numbers_stay_as_they_were(named, tmp_path):
    rank = named.appearances.shape[1]
    edit = NamedEdit("tiny", "b", rank, 4, ("hair:p0:4sd", "1+2:3:-4.5"))
    write_edits(tmp_path / "mine.json", {"mine": edit})
    assert read_edits(tmp_path / "mine.json") == {"mine": edit}
    loaded = find_edits(str(tmp_path / "mine.json"), named)
    assert loaded == [Edit(0, "p0", 4, sigma=True), Edit([1, 2], 3, -4.5)]


@pytest.mark.parametrize("parts", [[0, 1], "0+1", "0,1", np.array([0, 1]), "hair+nose"])
def test_parts_to_remove_in_any_form(named, tiny, parts):
    latents = tiny.sample([1, 2])
    expected = remove_images(tiny, named, latents, (0, 1))
    assert torch.equal(remove_images(tiny, named, latents, parts), expected)


def test_part_zero_alone_is_removed_and_no_parts_are_refused(factors, tiny):
    x = tiny.head(tiny.sample([1]), "b").x
    assert torch.equal(remove(factors, x, 0), remove(factors, x, [0]))
    assert not torch.equal(remove(factors, x, 0), remove(factors, x))
    for nothing in ([], (), np.array([], dtype=int)):
        with pytest.raises(PandaError, match="no parts were given to remove"):
            remove(factors, x, nothing)


def test_concept_maps_of_samples_have_the_size_of_their_images(named, tiny):
    latents = tiny.sample([1, 2])
    maps, masks = localize_images(tiny, named, latents)
    assert maps.shape == masks.shape == (2, 16, 16) and masks.dtype == torch.bool
    x = tiny.head(latents, "b").x
    assert torch.equal(maps, localize(named, x, "bg", size=16)[0])
    for threshold in ("otsu", "mean"):
        expected = localize(named, x, 1, size=16, threshold=threshold)[1]
        assert torch.equal(
            localize_images(tiny, named, latents, 1, threshold=threshold)[1], expected
        )
    by_number = localize_images(tiny, named, latents, "p0", part=1)[0]
    assert torch.equal(localize_images(tiny, named, latents, "p0", part="nose")[0], by_number)
    assert torch.equal(
        localize_images(tiny, named, latents, np.int64(2))[0],
        localize_images(tiny, named, latents, "2")[0],
    )
    with pytest.raises(PandaError, match="appearances 0 to 11"):
        localize_images(tiny, named, latents, 12)


def test_samples_have_refined_parts_and_masks(factors, tiny):
    latents = tiny.sample([1, 2])
    parts = refine_images(tiny, factors, latents)
    assert torch.equal(parts, refine(factors, tiny.head(latents, "b").x))
    masks = factors.as_masks(parts)
    assert masks.shape == (2, 4, 8, 8) and masks.min() >= 0 and masks.max() <= 1


def test_what_is_given_in_the_wrong_place_is_one_sentence(factors, tiny):
    images = tiny.forward(tiny.sample([1]))
    for verb in (remove_images, localize_images, refine_images):
        with pytest.raises(PandaError, match="a Tensor was given, expected latents"):
            verb(tiny, factors, images)
        with pytest.raises(PandaError, match="expected a generator"):
            verb(factors, tiny, tiny.sample([1]))
        with pytest.raises(PandaError, match="are of other, but the generator is tiny"):
            verb(tiny, factors, replace(tiny.sample([1]), generator="other"))
    with pytest.raises(PandaError, match="a list was given, expected latents"):
        edit_images(tiny, factors, [1, 2], "0:p0:4")
    with pytest.raises(PandaError, match="these are factors of other"):
        refine_images(tiny, replace(factors, generator="other"), tiny.sample([1]))
