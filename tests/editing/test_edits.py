"""Edit, refine, localize and remove, on a small generator."""

import pytest
import torch
from planted import planted
from rounding import rounding

from panda import PandaError
from panda.editing.apply import direction, edit_images
from panda.editing.edits import Edit
from panda.editing.localize import localize
from panda.editing.refine import refine
from panda.editing.remove import grow, remove, remove_images
from panda.factorization.background import border_mask
from panda.factorization.fit import fit
from panda.factorization.thresholds import otsu
from panda.generators.contract import Layer

pytestmark = pytest.mark.numeric


@pytest.fixture
def factors(tiny):
    return fit(tiny, "b", parts=4, seeds=range(100))


@pytest.mark.parametrize(
    ("text", "edit"),
    [
        ("3:12:30", Edit((3,), 12, 30.0)),
        ("3+5:0:-40", Edit((3, 5), 0, -40.0)),
        ("3:12:2.5sd", Edit((3,), 12, 2.5, sigma=True)),
        ("0:p1:-5sd", Edit((0,), "p1", -5.0, sigma=True)),
        ("1:bg:1.2", Edit((1,), "bg", 1.2)),
        ("0,1:remove", Edit((0, 1), "remove", 1.0)),
        ("a beard:remove:2", Edit("a beard", "remove", 2.0)),
    ],
)
def test_edits_are_read_from_text(text, edit):
    assert Edit.parse(text) == edit


@pytest.mark.parametrize(
    "text",
    [
        "",
        "3",
        "3:12",
        "3:bg",
        "0:remove:",
        "0:removed",
        "remove",
        ":1:2",
        "3:12:2.5px",
        "3:q1:2",
        "1\n2:3:4",
    ],
)
def test_other_text_is_refused_with_an_example(text):
    with pytest.raises(PandaError, match="is no edit; expected PARTS:APPEARANCE:STRENGTH"):
        Edit.parse(text)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (Edit((4,), 0, 1.0), "parts 0 to 3"),
        (Edit((0,), 12, 1.0), "appearances 0 to 11"),
        (Edit((0,), "p12", 1.0), "p0 to p11"),
        (Edit((0, 1), "p0", 1.0), "one part"),
        (Edit((), 0, 1.0), "at least one part"),
    ],
)
def test_edits_out_of_range_are_refused(factors, edit, said):
    with pytest.raises(PandaError, match=said):
        direction(factors, [edit])


def test_the_first_appearance_of_several_parts_is_refused_with_an_edit_for_each(factors):
    way = "p0 belongs to one part; give 2 edits, 0:p0:4sd and 1:p0:4sd, or an appearance by number"
    with pytest.raises(PandaError, match=way):
        Edit.parse("0+1:p0:4sd").check(factors)


def test_focus_takes_away_the_faint_rest_of_a_part(factors):
    edit = Edit((2,), 5, 30.0)
    plain, focused = direction(factors, [edit])[0], direction(factors, [edit], focus=0.4)[0]
    faint = factors.masks[2] <= 0.4
    assert (focused[:, faint] == 0).all() and not (plain[:, faint] == 0).all()
    highest = factors.masks[2] == 1
    assert torch.allclose(focused[:, highest], plain[:, highest])


def test_an_edit_is_the_formula_of_the_paper_and_edits_add_up(factors):
    one, two = Edit((2,), 5, 30.0), Edit((0, 3), 1, -4.0)
    a = factors.appearances[:, 5]
    expected = 30 * a[:, None, None] * factors.masks[2]
    assert torch.allclose(direction(factors, [one])[0], expected, atol=1e-5)
    both = direction(factors, [one, two])
    assert torch.allclose(both, direction(factors, [one]) + direction(factors, [two]), atol=1e-5)


def test_one_standard_deviation_moves_the_coordinate_by_as_much_as_it_varies(factors):
    for appearance in (3, "p0"):
        vector, spread = factors.vector(appearance, (1,))
        moved = vector @ Edit((1,), appearance, 1.0, sigma=True).change(factors)
        assert float(moved) == pytest.approx(spread, rel=1e-4)


def test_edited_images_differ_only_by_the_edit(factors, tiny):
    latents = tiny.sample([1, 2, 3])
    same = edit_images(tiny, factors, latents, [Edit((0,), 0, 0.0)])
    assert torch.equal(same, tiny.forward(latents))
    changed = edit_images(tiny, factors, latents, [Edit((0,), 0, 5.0)])
    assert changed.shape == (3, 3, 16, 16)
    alone = edit_images(tiny, factors, tiny.sample([2]), [Edit((0,), 0, 5.0)])
    assert torch.allclose(changed[1:2], alone, atol=1e-5)


def test_refined_parts_fit_each_sample_better_whatever_the_batch(factors, tiny):
    x = tiny.head(tiny.sample(range(200, 210)), "b").x
    Z, A = x.flatten(2), factors.appearances

    def losses(parts):
        return (Z - A @ (A.T @ Z @ parts) @ parts.mT).square().sum((1, 2))

    refined = refine(factors, x)
    assert refined.shape == (10, 64, 4)
    assert (refined >= 0).all()
    gained = losses(factors.parts[None]) - losses(refined)
    assert (gained > 0).all()
    alone = torch.cat([refine(factors, x[i : i + 1]) for i in range(10)])
    # Where a descent stalls and ends hangs on rounding, which is another one in another batch.
    assert ((losses(refined) - losses(alone)).abs() < 0.01 * gained).all()
    assert (
        edit_images(tiny, factors, tiny.sample([5]), [Edit((0,), 0, 5.0)], refined=True)
        .isfinite()
        .all()
    )


def test_a_concept_map_is_a_coordinate_and_its_mask_a_threshold(factors, tiny):
    x = tiny.head(tiny.sample([1, 2]), "b").x
    maps, mask = localize(factors, x, 2, threshold="mean")
    a = factors.appearances[:, 2]
    exact = torch.einsum("c,nchw->nhw", a.double(), x.double()).float()
    # A sum that comes out near zero has the error of its terms.
    error = rounding(len(a)) * float(torch.einsum("c,nchw->nhw", a.abs(), x.abs()).max())
    assert torch.allclose(maps, exact, atol=error)
    level = factors.appearances[:, 2] @ factors.mean
    assert torch.equal(mask, maps >= level)
    large, _ = localize(factors, x, "p0", part=1, size=32)
    assert large.shape == (2, 32, 32)
    with pytest.raises(PandaError, match="no threshold 'otso'; did you mean 'otsu'"):
        localize(factors, x, 2, threshold="otso")


def test_otsu_splits_two_clusters():
    draw = torch.Generator().manual_seed(0)
    low, high = 0.1 * torch.randn(500, generator=draw), 5 + 0.1 * torch.randn(300, generator=draw)
    step = (high.max() - low.min()) / 256
    assert low.max() - step < otsu(torch.cat([low, high])) < high.min() + step
    assert float(otsu(torch.ones(9))) == 1.0
    wide = torch.tensor([0.0, 1000.0]).half()  # whose range times the bins is beyond float16
    assert 0 < float(otsu(wide)) < 1000


@pytest.mark.parametrize("values", [[0, 0, 1, 1], [0, 1, 1, 1, 1, 1], [0, 0, 0, 0, 1]])
def test_otsu_goes_halfway_where_nothing_lies_between_two_clusters(values):
    assert float(otsu(8 * torch.tensor(values).float() - 3)) == pytest.approx(1)


def test_the_border_leaves_out_the_bottom_and_margins():
    mask = border_mask(Layer("l", 1, 6, 6, margin=1))
    assert mask.tolist() == [
        [0, 0, 0, 0, 0, 0],
        [0, 1, 1, 1, 1, 0],
        [0, 1, 0, 0, 1, 0],
        [0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0],
    ]


def test_a_removed_part_is_filled_from_around_it_in_each_sample(tiny):
    factors, x, _ = planted((slice(3, 5), slice(3, 5)))
    removed = remove(factors, x, [0])
    place = factors.masks[0] == 1
    away = ~grow(grow(place[None]))[0]
    assert torch.equal(removed[:, :, away], x[:, :, away])
    inside, around = removed[:, :, place], x[:, :, ~place]
    # A mean of means of what is around has no new extremes.
    assert (inside <= around.amax(2, keepdim=True) + 1e-5).all()
    assert (inside >= around.amin(2, keepdim=True) - 1e-5).all()
    with pytest.raises(PandaError, match="parts 0 to 1"):
        remove(factors, x, [9])
    with pytest.raises(PandaError, match="no parts were given"):
        remove(factors, x, [])


def test_a_removal_is_the_same_in_any_batch_and_gives_images(factors, tiny):
    x = tiny.head(tiny.sample([1, 2, 3]), "b").x
    for parts in (None, [0, 1]):
        removed = remove(factors, x, parts)
        assert not torch.allclose(removed, x)
        for one in range(3):
            assert torch.allclose(remove(factors, x[one : one + 1], parts)[0], removed[one])
        assert remove_images(tiny, factors, tiny.sample([4]), parts).shape == (1, 3, 16, 16)


def test_the_background_appearance_finds_a_planted_background(tiny, monkeypatch):
    planted = torch.nn.functional.normalize(torch.randn(12), dim=0)
    real = tiny.head

    def with_background(latents, layer):
        state = real(latents, layer)
        border = torch.ones(8, 8)
        border[2:, 2:6] = 0
        return state.with_features(state.x + 3 * planted[:, None, None] * border)

    monkeypatch.setattr(tiny, "head", with_background)
    factors = fit(tiny, "b", parts=4, seeds=range(100))
    found = torch.nn.functional.normalize(factors.background, dim=0)
    assert float(found @ planted) > 0.9
