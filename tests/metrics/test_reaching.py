"""The search for the strength at which an edit has its effect."""

import pytest
import torch

from panda.metrics.reaching import TOLERANCE, reach

BEFORE = torch.zeros(3, 3, 8, 8)
SCALES = torch.tensor([0.02, 0.1, 0.5], dtype=torch.float64)
"""What a strength of one does to three images."""


def render(strengths):
    return (strengths.double() * SCALES)[:, None, None, None].expand(-1, 3, 8, 8).float()


def amount(images):
    return images.mean((1, 2, 3)).double()


EFFECTS = {
    "linear": lambda images: amount(images) * 10,
    "square": lambda images: (amount(images) * 10).square(),
    "root": lambda images: (amount(images).clamp_min(0) * 10).sqrt(),
    "step": lambda images: torch.where(amount(images) > 0.09, 1.05, 0.2),
    "gone beyond": lambda images: (
        torch.where(amount(images) > 0.12, torch.nan, 1) * amount(images) * 10
    ),
}


@pytest.mark.parametrize("effect", EFFECTS.values(), ids=EFFECTS)
@pytest.mark.parametrize("start", [0.05, 1.0, 6.0])
def test_every_image_reaches_the_effect_at_a_strength_of_its_own(effect, start):
    found = reach(render, effect, start=start, limit=100, before=BEFORE, steps=12)
    assert found.reached.all()
    assert ((found.effects - 1).abs() <= TOLERANCE).all()
    assert torch.equal(found.images, render(found.strengths.float()).clamp(-1, 1))
    assert torch.equal(found.effects, effect(found.images).double())
    assert (found.strengths.diff() <= 0).all()


def test_strengths_keep_the_sign_of_the_first():
    found = reach(
        render, lambda images: -10 * amount(images), start=-1.0, limit=100, before=BEFORE, steps=12
    )
    assert found.reached.all() and (found.strengths < 0).all()


def test_what_does_not_reach_the_effect_is_no_stronger_than_the_limit_and_says_so():
    found = reach(render, EFFECTS["linear"], start=1.0, limit=2.0, before=BEFORE, steps=12)
    assert found.reached.tolist() == [False, True, True]
    assert found.strengths[0] == 2 and found.effects[0] == pytest.approx(0.4)
    never = reach(
        render,
        lambda images: torch.full((3,), torch.nan).double(),
        start=1.0,
        limit=2.0,
        before=BEFORE,
    )
    assert not never.reached.any()


def test_an_overshoot_that_no_strength_avoids_counts_as_reached():
    found = reach(
        render,
        lambda images: torch.where(amount(images) > 0.05, 3.0, 0.0).double(),
        start=1.0,
        limit=100,
        before=BEFORE,
    )
    assert found.reached.all() and (found.effects == 3).all()


def test_a_search_stops_as_soon_as_all_have_the_effect():
    calls = []

    def counted(strengths):
        calls.append(strengths)
        return render(strengths)

    reach(counted, lambda images: torch.ones(3), start=1.0, limit=9.0, before=BEFORE)
    assert len(calls) == 1


def calls_of(effect, **options):
    calls = []

    def counted(strengths):
        calls.append(strengths.tolist())
        return render(strengths)

    return reach(counted, effect, start=1.0, before=BEFORE, **options), calls


def test_what_is_far_from_the_effect_is_tried_at_the_limit_at_once():
    found, calls = calls_of(lambda images: amount(images) * 0.1, limit=4.0)
    assert calls == [[1, 1, 1], [4, 4, 4]]
    assert not found.reached.any() and (found.strengths == 4).all()


def test_an_effect_that_jumps_over_what_is_wanted_is_not_searched_to_the_end():
    found, calls = calls_of(
        lambda images: torch.where(amount(images) > 0.05, 3.0, 0.5).double(), limit=9.0, steps=40
    )
    assert found.reached.all() and len(calls) < 20
    assert ((found.strengths * SCALES / 0.05 - 1) < 0.06).all()


def test_a_power_of_the_strength_is_followed_while_it_grows():
    found, calls = calls_of(
        lambda images: (amount(images) / SCALES).clamp_min(0).pow(0.6) * 0.6, limit=4.0
    )
    assert found.reached.all() and len(calls) == 3
