"""Removal on features made by hand, where what is to come out is known to the digit."""

from dataclasses import replace

import pytest
import torch
from planted import LAYER, LIGHT, SKY, planted

from panda import PandaError
from panda.editing.fill import fill
from panda.editing.localize import localize
from panda.editing.remove import PAINT, enclosed, object_map, object_parts, remove
from panda.factorization.background import border_mask


def skies(x: torch.Tensor) -> torch.Tensor:
    """Return features that are each sample's sky everywhere."""
    sky = SKY + LIGHT * torch.eye(3)[2]
    return sky[:, :, None, None].expand_as(x)


def test_a_planted_object_becomes_the_sky_of_its_own_sample_and_the_sky_stays():
    factors, x, mask = planted()
    assert torch.equal(object_map(factors, x), mask.expand(3, 8, 8))
    assert torch.allclose(remove(factors, x), skies(x), atol=1e-6)
    assert torch.allclose(remove(factors, x, 0), skies(x), atol=1e-6)


def test_a_gradient_and_a_horizon_go_on_behind_the_object():
    """Linear functions are harmonic; each row of a horizon meets its own color on both sides."""
    _, x, mask = planted((slice(3, 5), slice(3, 5)))
    rows, columns = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
    slope = torch.stack([rows, columns, rows - 2 * columns]).expand_as(x)
    inside = mask.bool().expand(3, 8, 8)
    assert torch.allclose(fill(torch.where(inside[:, None], 9.0, slope), inside), slope, atol=1e-5)
    ground = torch.where(rows < 4, 0.0, 1.0).expand_as(x)
    filled = fill(ground, inside)[0, 0, 3:5, 3:5]
    assert (filled[0] < 0.3).all() and (filled[1] > 0.7).all()


def test_the_sky_is_found_though_the_object_reaches_the_border():
    """The object has five of fourteen places of the border, whose mean would be a mixture."""
    factors, x, mask = planted((slice(0, 7), slice(2, 7)))
    assert 0 < (mask * border_mask(LAYER)).sum() < border_mask(LAYER).sum() / 2
    assert torch.allclose(remove(factors, x), skies(x), atol=1e-6)


def test_an_object_goes_with_its_rim():
    """Positions that are a fifth of the object, and their neighbors, have nothing of it either."""
    factors, x, _ = planted((slice(3, 5), slice(3, 5)))
    soft = torch.zeros(8, 8)
    soft[2:6, 2:6] = 0.2
    soft[3:5, 3:5] = 1
    rim = torch.lerp(skies(x), x.amax((2, 3), keepdim=True), soft)
    factors = replace(factors, parts=torch.stack([soft.flatten(), 1 - soft.flatten()], 1))
    assert torch.allclose(remove(factors, rim, 0), skies(x), atol=1e-6)


def test_what_looks_like_background_but_lies_apart_from_it_goes_too():
    """Below an object as wide as the image there may be clothes."""
    factors, x, _ = planted((slice(3, 6), slice(0, 8)))
    clothes = x.clone()
    clothes[:, 1, 6:] = 7.0  # which the detector does not tell from sky
    factors = replace(factors, background_detector=torch.tensor([1.0, 0.0, 0.0]) / 3)
    apart = enclosed(factors, object_map(factors, clothes) > 0)
    assert apart[:, 6:].all() and not apart[:, :6].any()
    assert torch.allclose(remove(factors, clothes), skies(x), atol=1e-5)


def test_where_hardly_anything_is_around_the_background_appearance_is_painted():
    factors, x, _ = planted()
    factors = replace(factors, parts=torch.stack([torch.ones(64), torch.zeros(64)], 1))
    painted = skies(x) + PAINT * factors.background[:, None, None]
    assert torch.allclose(remove(factors, x, 0), painted, atol=1e-6)


def test_the_object_of_a_refined_part_is_where_it_is_in_each_sample():
    factors, x, mask = planted((slice(3, 5), slice(3, 5)))
    shifted = torch.stack([mask.roll(shift, 1) for shift in (0, 1, -1)])
    moved = torch.where(shifted.bool()[:, None], x.amin((2, 3), keepdim=True), skies(x))
    refined = torch.stack([shifted.flatten(1), 1 - shifted.flatten(1)], 2)
    assert torch.allclose(remove(factors, moved, [0], refined=refined), skies(x), atol=1e-6)


def test_strength_is_the_share_that_goes():
    factors, x, _ = planted()
    assert torch.equal(remove(factors, x, strength=0.0), x)
    half = remove(factors, x, strength=0.5)
    assert torch.allclose(half, torch.lerp(x, remove(factors, x), 0.5), atol=1e-6)
    for strength in (-0.1, 1.2, float("nan")):
        with pytest.raises(PandaError, match="strength"):
            remove(factors, x, strength=strength)


def test_the_parts_of_the_object_are_those_away_from_the_border():
    factors, _, mask = planted()
    assert object_parts(factors) == [0]
    swapped = replace(factors, parts=factors.parts.flip(1))
    assert object_parts(swapped) == [1]
    everywhere = replace(factors, parts=torch.stack([1 - mask.flatten()] * 2, 1))
    assert object_parts(everywhere) == [0, 1]  # there is no inner one


def test_a_map_of_the_background_is_highest_in_the_sky():
    factors, x, mask = planted()
    maps, where = localize(factors, x, "bg")
    assert torch.equal(where, ~mask.bool().expand(3, 8, 8))
    assert float(maps[:, ~mask.bool()].min() - maps[:, mask.bool()].max()) == pytest.approx(
        1, abs=0.2
    )


def test_a_layer_of_one_row_or_column_is_continued_like_any_other():
    line = torch.arange(5.0).view(1, 1, 1, 5)
    unknown = torch.tensor([[[False, True, True, False, True]]])
    expected = torch.tensor([0.0, 1.0, 2.0, 3.0, 3.0])
    assert torch.allclose(fill(line, unknown).flatten(), expected, atol=1e-6)
    assert torch.allclose(fill(line.mT, unknown.mT).flatten(), expected, atol=1e-6)


def test_gradients_reach_what_stays():
    factors, x, mask = planted()
    variable = x.clone().requires_grad_()
    remove(factors, variable).sum().backward()
    assert (variable.grad[:, :, 0] == 1).all() and not variable.grad[:, :, mask.bool()].any()


def test_no_samples_give_none():
    factors, x, _ = planted()
    assert remove(factors, x[:0]).shape == x[:0].shape
    assert localize(factors, x[:0], "bg")[1].shape == (0, 8, 8)


def test_an_object_whose_neighbors_fill_the_image_leaves_what_is_around_it():
    """At 4 x 4 positions no place is further away; the sky is still that of the sample."""
    factors, x, mask = planted((slice(1, 3), slice(1, 3)))
    small, layer = x[:, :, :4, :4], replace(LAYER, height=4, width=4)
    parts = torch.stack([mask[:4, :4].flatten(), 1 - mask[:4, :4].flatten()], 1)
    factors = replace(factors, layer=layer, parts=parts)
    for chosen in (0, None):
        assert torch.allclose(remove(factors, small, chosen), skies(small), atol=1e-6)


@pytest.mark.parametrize(("height", "width"), [(16, 2), (2, 16)])
def test_a_narrow_layer_has_no_room_for_a_border_with_artifacts(height, width):
    factors, _, _ = planted()
    layer = replace(LAYER, height=height, width=width)
    parts = torch.eye(height * width)[:, :2]
    narrow = replace(factors, layer=layer, parts=parts, config={"border": 1})
    assert narrow.border == 0 and object_parts(narrow)
