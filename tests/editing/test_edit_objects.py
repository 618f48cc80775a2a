"""What an edit adds, to the digit, and the exact sentence for what is none."""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from planted import planted

from panda import PandaError
from panda.editing.apply import apply_edits, direction, edit_images
from panda.editing.edits import Edit, as_edits, find_edits
from panda.editing.natural import read_appearance, read_parts, resume, stop
from panda.editing.refine import refine
from panda.editing.remove import remove, remove_images
from panda.factorization.fit import fit


def said(call, *arguments, **options):
    with pytest.raises(PandaError) as error:
        call(*arguments, **options)
    return str(error.value)


@pytest.mark.parametrize(
    ("edit", "text"),
    [
        (Edit(3, 12, 30), "3:12:30"),
        (Edit([3, 5], 0, -40.5), "3+5:0:-40.5"),
        (Edit("hair+eyes", "p1", 0.25, sigma=True), "hair+eyes:p1:0.25sd"),
        (Edit(0, "bg", 100), "0:bg:100"),
        (Edit(0, "remove", 1e-7), "0:remove:1e-07"),
        (Edit(0, "p0", 0.1 + 0.2, sigma=True), "0:p0:0.3sd"),
        (Edit(0, "p0", -1234567.875, sigma=True), "0:p0:-1234567.875sd"),
        (Edit(0, "p0", 1e300), "0:p0:1e+300"),
        (Edit(0, "p0", 5e-324, sigma=True), "0:p0:4.94065645841e-324sd"),
    ],
)
def test_an_edit_is_written_as_it_is_read(edit, text):
    assert str(edit) == text
    again = Edit.parse(text)
    assert str(again) == text and again.sigma == edit.sigma and again.parts == edit.parts
    assert again.strength == pytest.approx(edit.strength, rel=1e-11, abs=0)


def test_only_a_removal_has_a_usual_strength():
    assert Edit([0, 1], "remove") == Edit.parse("0+1:remove") == Edit([0, 1], "remove", 1.0)
    for appearance in (0, "p0", "bg"):
        assert said(Edit, 0, appearance) == (
            f"an edit by appearance {appearance!r} needs a strength, such as Edit(0, 'p0', 4); only"
            " a removal has a usual one"
        )


@pytest.mark.parametrize(
    "times", [1.5, np.float32(1.5), np.float64(1.5), torch.tensor(1.5), Fraction(3, 2)]
)
def test_an_edit_by_name_takes_any_number_of_times_its_own_strength(times):
    assert str(Edit("smile", times)) == "smile:1.5"
    assert str(replace(Edit("smile", times), strength=2)) == "smile:2"


def test_sentences_about_edits_by_name():
    assert said(Edit, "smile", math.nan).endswith("expected a finite number")
    assert said(Edit, "smile", 1, sigma=True).endswith("units; leave out sigma=True")
    assert said(Edit, "smile", 1, layer="b").endswith("units; leave out layer='b'")
    for place in ("all", "mask.png", "maps/"):
        assert said(Edit, place, 12).startswith("an edit by appearance 12 needs a strength")


def test_sentences_about_edits_without_factors(tiny):
    latents = tiny.sample([1])
    none = "is no edit; expected Edit(0, 'p0', 4) or '0:p0:4sd'"
    for edits in (5, None):
        assert said(edit_images, tiny, None, latents, edits) == f"{edits} {none}"
    assert said(edit_images, tiny, None, latents, []).startswith("no edit was given")
    assert said(edit_images, "tiny", None, latents, "smile").startswith("a str was given, expected")


@pytest.mark.parametrize("edit", ["0:p0:1e300sd", "0:3:-1e300", "1:bg:1e300"])
def test_a_strength_that_no_image_survives_is_a_sentence(tiny, edit):
    factors = fit(tiny, "b", parts=2, seeds=range(8))
    latents = tiny.sample([1, 2])
    words = "the image came out NaN; the strength is too large"
    assert said(edit_images, tiny, factors, latents, edit) == words
    state = stop(tiny, factors, latents)
    broken = state.x.clone()
    broken[1, 0, 0, 0] = math.inf
    sentence = said(resume, tiny, state.with_features(broken), factors.layer.name, [7, 8])
    assert sentence == "the image of 8 came out NaN; the strength is too large"


@pytest.mark.parametrize("strength", ["much", math.nan, math.inf, None])
def test_the_strength_of_a_removal_is_a_finite_number(tiny, strength):
    factors = fit(tiny, "b", parts=2, seeds=range(8))
    sentence = said(remove_images, tiny, factors, tiny.sample([1]), strength=strength)
    assert sentence == f"strength {strength!r} is not a number, such as 0.7"


@pytest.mark.parametrize("strength", [-0.5, 1.2, 1e300])
def test_the_strength_of_a_removal_is_a_share(tiny, strength):
    factors = fit(tiny, "b", parts=2, seeds=range(8))
    words = f"the strength of a removal is {strength:g}, expected 0 (nothing goes) to 1 (all goes)"
    assert said(remove_images, tiny, factors, tiny.sample([1]), strength=strength) == words
    assert said(edit_images, tiny, factors, tiny.sample([1]), f"0:remove:{strength}") == words


def test_names_are_of_no_effect_where_there_are_numbers():
    assert Edit((1,), 0, 1, named="hair") == Edit((1,), 0, 1)
    assert Edit((), 0, 1, named="hair").named == "hair"
    assert Edit("hair", 0, 1, named="eyes").named == "hair"


def test_sentences_about_what_is_no_edit():
    assert said(Edit.parse, "3:q1:2") == (
        "'3:q1:2' is no edit; expected PARTS:APPEARANCE:STRENGTH, such as 3:12:30, 3+5:0:-40,"
        " 3:p0:2.5sd (a part's own first appearance, in standard deviations) or mouth:smile.npy:2"
    )
    assert said(Edit, 0, 0, "much") == (
        "strength 'much': expected a finite number, with sigma=True for standard deviations;"
        " Edit.parse reads text such as '3:p0:2.5sd'"
    )
    assert said(read_parts, 1.5) == (
        "parts 1.5: expected a number, several such as [0, 1] or '0+1', or the name of a part"
    )
    assert said(read_appearance, None) == "appearance None: expected a number, 'p0' or 'bg'"
    factors = planted()[0]
    sentence = "3 is no edit; expected Edit(0, 'p0', 4) or '0:p0:4sd'"
    assert said(as_edits, 3, factors) == said(as_edits, [3], factors) == sentence


def test_sentences_about_what_factors_do_not_have():
    factors = planted()[0]
    assert said(Edit((), 0, 1).change, factors) == "an edit needs at least one part"
    for edit in (Edit((0, 0), 0, 1), Edit((0,), 0, math.inf), Edit((0,), 0, math.nan)):
        assert said(edit.change, factors) == (
            f"{edit}: expected each part once and a finite strength"
        )
    assert said(Edit((0, 1), "p2", -1.5).change, factors) == (
        "0+1:p2:-1.5: p2 belongs to one part; give 2 edits, 0:p2:-1.5 and 1:p2:-1.5, or an"
        " appearance by number"
    )
    still = replace(factors, spread=0 * factors.spread, own_spread=0 * factors.own_spread)
    assert said(Edit(0, "p1", 1, sigma=True).change, still) == (
        "appearance p1 does not vary over the samples of these factors, so a strength in standard"
        " deviations means nothing; fit more seeds or give it raw"
    )
    assert torch.equal(Edit(0, 1, 2).change(still), torch.tensor([0.0, 2, 0]))
    assert said(Edit(0, "remove", 1, sigma=True).check, factors) == (
        "0:remove:1sd: a removal has no standard deviations; its strength is a share, up to 1"
    )
    assert "parts 0 to 1" in said(Edit(2, "remove", 1).check, factors)
    assert "expected each part once" in said(Edit((0, 0), "remove", 1).check, factors)
    Edit(1, "remove", 1).check(factors)
    Edit(1, "p2", 1).check(factors)


def test_a_standard_deviation_counts_the_length_of_the_appearance():
    factors = planted()[0]
    factors = replace(
        factors,
        appearances=torch.diag(torch.tensor([2.0, 0.5, 1.0])),
        spread=torch.tensor([[1.0, 3.0], [0.2, 0.4], [1.0, 1.0]]),
    )
    # Over both parts it varies by 2; moving by 4 along an axis of length 2 adds 2 to it.
    change = Edit((0, 1), 0, 2, sigma=True).change(factors)
    torch.testing.assert_close(change, torch.tensor([2.0, 0, 0]))
    change = Edit(1, 1, -1, sigma=True).change(factors)
    torch.testing.assert_close(change, torch.tensor([0, -0.8, 0]))
    torch.testing.assert_close(Edit(1, 1, -1).change(factors), torch.tensor([0, -0.5, 0]))


def test_several_edits_are_one_change_of_each_sample_s_parts():
    factors, _, mask = planted()
    refined = torch.stack([mask.roll(shift, 1).flatten() for shift in (0, 1)])
    refined = torch.stack([refined, 1 - refined], 2)
    edits = [Edit(0, 1, 3), Edit(1, 0, -2), Edit((0, 1), 2, 5)]
    change = direction(factors, edits, refined)
    assert change.shape == (2, 3, 8, 8)
    for row, shift in enumerate((0, 1)):
        where = mask.roll(shift, 1)
        expected = torch.stack([-2 * (1 - where), 3 * where, torch.full((8, 8), 5.0)])
        torch.testing.assert_close(change[row], expected)
    assert direction(factors, edits).shape == (1, 3, 8, 8)
    assert torch.equal(direction(factors, edits)[0], change[0])


def test_focus_moves_the_lower_end_of_a_mask():
    factors = planted()[0]
    soft = torch.tensor([0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 0.5, 0.3]).repeat(8)
    factors = replace(factors, parts=soft[:, None].repeat(1, 2))
    change = direction(factors, [Edit(0, 0, 10)], focus=0.5)[0, 0, 0]
    torch.testing.assert_close(change, torch.tensor([0.0, 0, 0, 2, 6, 10, 0, 0]))


def test_a_removal_takes_what_was_added_before_it_and_leaves_what_comes_after():
    factors, x, _ = planted()
    add, go = Edit(0, 1, 3), Edit.parse("0:remove")
    removed = remove(factors, x, (0,))
    torch.testing.assert_close(apply_edits(factors, x, [add, go]), removed)
    torch.testing.assert_close(
        apply_edits(factors, x, [go, add]), removed + direction(factors, [add])
    )
    with pytest.raises(PandaError, match="parts 0 to 1"):
        apply_edits(factors, x, [Edit(7, "remove", 1)])


def test_edits_are_made_in_the_parts_of_each_sample(tiny):
    factors = fit(tiny, "b", parts=3, seeds=range(20))
    latents = tiny.sample([1, 2])
    state = tiny.head(latents, "b")
    refined = refine(factors, state.x)
    for edits in ("0:p0:4sd", "0:remove"):
        changed = apply_edits(factors, state.x, as_edits(edits, factors), refined)
        image = tiny.tail(state.with_features(changed), "b")
        assert torch.equal(edit_images(tiny, factors, latents, edits, refined=True), image)
        assert not torch.equal(edit_images(tiny, factors, latents, edits), image)


def test_a_part_that_a_sample_does_not_have_keeps_its_global_form(monkeypatch):
    factors, x, _ = planted()

    def refined(A, P, Z):
        parts = P.expand(3, *P.shape).clone() / 2
        parts[1, :, 0] = 0
        return parts

    monkeypatch.setattr("panda.editing.refine.refine_parts", refined)
    parts = refine(factors, x)
    assert torch.equal(parts[1, :, 0], factors.parts[:, 0])
    parts[1, :, 0] /= 2
    assert torch.equal(parts, factors.parts.expand(3, 64, 2) / 2)


def test_text_with_a_colon_is_an_edit_and_a_file_is_none(tmp_path, monkeypatch):
    factors = planted()[0]
    monkeypatch.chdir(tmp_path)
    assert find_edits("0:1:2", factors) == [Edit(0, 1, 2)]
    for text in ("zoo.json", "zoo.json:a"):
        assert said(find_edits, text, factors).startswith("zoo.json cannot be read: No such file")
    owner = replace(factors, generator="stylegan2-ffhq-1024")
    assert said(find_edits, "smlie", owner).startswith("'smlie' is no edit; did you mean 'smile'")
    assert said(find_edits, "smlie", factors) == (  # whose generator has no edits
        "'smlie' is no edit; expected PARTS:APPEARANCE:STRENGTH such as 3:12:30, or FILE.json:NAME"
    )


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (" 0 + 2 ", (0, 2)),
        ("0-2,5", (0, 1, 2, 5)),
        ("hair ", "hair"),
        ("0+hair", "0+hair"),
        (["hair", 3], "hair+3"),
        ([0, "3"], "0+3"),
        (torch.tensor([1, 2]), (1, 2)),
        ([], ()),
    ],
)
def test_parts_are_numbers_or_names(given, read):
    assert read_parts(given) == read


@pytest.mark.parametrize("given", ["", "  ", b"0", b"", [0, None], [b"0"], {0.5}])
def test_what_are_no_parts(given):
    assert said(read_parts, given).startswith(f"parts {given!r:.60}: expected a number, several")


@pytest.mark.parametrize(
    ("given", "read"),
    [(" 12 ", 12), ("0000012", "0000012"), (" p0", "p0"), ("bg", "bg"), (torch.tensor(3), 3)],
)
def test_appearances_are_numbers_or_text(given, read):
    assert read_appearance(given) == read


def test_what_is_not_where_it_should_be(tiny):
    factors, latents = planted()[0], tiny.sample([1])
    expected = "a generator, as create_generator makes it"
    assert said(stop, factors, factors, latents) == f"a Factors was given, expected {expected}"
    expected = "factors, as fit makes them"
    assert said(stop, tiny, tiny, latents) == f"a TinyGenerator was given, expected {expected}"
    assert said(stop, tiny, factors, latents).startswith("these are factors of planted")
