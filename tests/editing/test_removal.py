"""Removal on features made by hand, where what is to come out is known to the digit."""

from dataclasses import replace

import pytest
import torch
from planted import LAYER, LIGHT, OBJECT, SKY, planted

from panda.editing.localize import localize
from panda.editing.remove import REACH, STRENGTH, object_map, object_parts, remove
from panda.factorization.background import border_mask


def test_a_planted_object_becomes_the_sky_of_its_own_sample_and_the_sky_stays():
    factors, x, mask = planted()
    assert torch.equal(object_map(factors, x), mask.expand(3, 8, 8))
    sky = SKY + LIGHT * torch.eye(3)[2]
    painted = sky + STRENGTH * factors.background
    expected = torch.where(mask.bool(), painted[:, :, None, None], sky[:, :, None, None])
    assert torch.allclose(remove(factors, x), expected, atol=1e-6)


def test_the_sky_is_found_though_the_object_reaches_the_border():
    """The object has five of fourteen places of the border, whose mean would be a mixture."""
    factors, x, mask = planted((slice(0, 7), slice(2, 7)))
    assert 0 < (mask * border_mask(LAYER)).sum() < border_mask(LAYER).sum() / 2
    removed = remove(factors, x, strength=0.0)
    sky = SKY + LIGHT * torch.eye(3)[2]
    assert torch.allclose(removed, sky[:, :, None, None].expand_as(x), atol=1e-6)


def test_an_object_goes_with_its_rim():
    """Where a part's mask is soft, more than the mask is painted, and all from 1 / REACH on."""
    factors, _, _ = planted()
    soft = torch.tensor([0.0, 0.2, 0.6, 0.7, 1.0, 0.3, 0.0, 0.0])
    factors = replace(factors, parts=torch.stack([soft.repeat(8), 1 - soft.repeat(8)], 1))
    painted = SKY + LIGHT * torch.eye(3)[2]
    weight = torch.tensor([0.0, 0.3, 0.9, 1.0, 1.0, 0.45, 0.0, 0.0])
    assert REACH == 1.5
    flat = OBJECT[:, None, None].expand(3, 3, 8, 8).clone()
    flat[:, :, border_mask(LAYER).bool()] = painted[:, :, None]
    removed = remove(factors, flat, 0, strength=0.0)[:, :, 6]  # a row without border
    expected = torch.lerp(OBJECT[:, None].expand(3, 3, 8), painted[:, :, None], weight)
    assert torch.allclose(removed, expected, atol=1e-6)


def test_the_object_of_a_refined_part_is_where_it_is_in_each_sample():
    factors, x, mask = planted()
    shifted = torch.stack([mask.roll(shift, 1) for shift in (0, 1, -1)])
    refined = torch.stack([shifted.flatten(1), 1 - shifted.flatten(1)], 2)
    changed = (remove(factors, x, [0], refined=refined) != x).any(1)
    assert torch.equal(changed, shifted.bool())


def test_strength_counts_background_appearances():
    factors, x, mask = planted()
    inside = mask.bool()
    none, two = remove(factors, x, strength=0.0), remove(factors, x, strength=2.0)
    moved = (two - none)[:, :, inside]
    assert torch.allclose(moved, (2 * factors.background)[:, None].expand_as(moved))


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
