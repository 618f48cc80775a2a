"""The order of appearances, pictures that break, and names from inside the part alone."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from drawn_faces import draw_features

from panda.factorization.fit import fit
from panda.metrics.parsing import CLASSES
from panda.naming import realism
from panda.naming.discover import discover
from panda.naming.effects import Looks, Measure, own_measures
from panda.naming.impact import Impact
from panda.naming.realism import Realism, breaks


def test_the_order_is_broken_last_then_unstable_then_unseen_then_by_clean_effect():
    order = [
        Impact(0.20, 0.01),
        Impact(0.20, 0.10),  # as visible, less clean
        Impact(0.30, 0.90),  # more visible, but not in the part
        Impact(0.005, 0.0, named=True),  # a small change of the right kind
        Impact(0.006, 0.0),
        Impact(0.50, 0.0, stable=False),
        Impact(0.001, 0.0, stable=False),
        Impact(0.90, 0.0, broken=True),
        Impact(0.95, 0.0, stable=False, broken=True),
    ]
    assert all(a.rank < b.rank for a, b in pairwise(order))


def test_no_change_at_all_has_a_rank():
    assert Impact(0.0, 0.0).clean == 0 and not Impact(0.0, 0.0).visible


def samples(count, first=0):
    """Gray pictures with smooth noise, of different brightness."""
    noise = torch.Generator().manual_seed(first)
    coarse = torch.randn(count, 3, 8, 8, generator=noise) / 5
    shade = torch.randn(count, 1, 1, 1, generator=noise) / 10
    return torch.nn.functional.interpolate(coarse, (32, 32), mode="bilinear") + shade


@pytest.fixture
def part():
    mask = torch.zeros(8, 8)
    mask[2:6, 2:6] = 1
    return mask


def test_only_what_no_sample_looks_like_breaks_the_picture(part):
    known = Realism.of(samples(20), part)
    others = samples(40, first=1)
    assert not breaks(known, others)
    assert float((known.oddness(others) > realism.ODD).double().mean()) <= 0.05
    glaring = others.clone()
    glaring[:, 0, 8:24, 8:24], glaring[:, 1:, 8:24, 8:24] = 1.0, -1.0
    assert breaks(known, glaring)
    elsewhere = others.clone()
    elsewhere[:, :, :4] = 1.0
    assert not breaks(known, elsewhere)


def test_of_few_samples_less_is_known(part):
    picture = samples(1, first=1) + 1.0
    odd = [float(Realism.of(samples(count), part).oddness(picture)) for count in (2, 6, 20)]
    assert odd == sorted(odd)
    assert torch.isfinite(Realism.of(samples(2), part).oddness(torch.ones(1, 3, 32, 32))).all()


def faces(count, *left_out):
    parsed = torch.full((count, 64, 64), CLASSES.index("skin"), dtype=torch.uint8)
    parsed[:, :16] = CLASSES.index("hair")
    return draw_features(parsed, *left_out)


def test_a_face_that_is_gone_in_half_of_the_samples_is_broken(part):
    known, images = Realism.of(samples(20), part), samples(4, first=1)
    whole, eyeless = faces(4), faces(4, "left eye")
    assert not breaks(known, images, whole, whole)
    assert breaks(known, images, whole, eyeless)
    assert breaks(known, images, whole, torch.cat([whole[:2], eyeless[:2]]))
    assert not breaks(known, images, whole, torch.cat([whole[:3], eyeless[:1]]))
    assert not breaks(known, images, eyeless, eyeless)  # it was none before


def test_an_edit_of_hair_that_opens_the_mouth_is_not_called_after_the_mouth():
    hair, mouth = torch.zeros(2, 32, 32)
    hair[:8], mouth[18:24] = 1, 1
    before, after = faces(2), faces(2)
    after[:, 16:20] = CLASSES.index("hair")  # just below the part
    after[:, 44:48, 26:38] = CLASSES.index("mouth interior")
    after[:, :4] = CLASSES.index("background")
    looks = [Looks({}, parsed) for parsed in (before, after)]
    # Even of a part that is said to cover the mouth, as parts do that cover several things.
    inside = own_measures(*looks, 0, "hair, mouth", hair)
    same = own_measures(looks[0], looks[0], 0, "hair, mouth", hair)
    changed = {
        measure.name for measure in inside if not torch.equal(inside[measure], same[measure])
    }
    assert changed == {"hair area"}
    assert bool((inside[Measure("hair area")] < same[Measure("hair area")]).all())
    opened = own_measures(*looks, 1, "mouth", mouth)
    assert bool((opened[Measure("mouth opening")] > same[Measure("mouth opening")]).all())


def test_what_is_wanted_is_looked_for_inside_parts_alone(named_edits):
    mouth = {"edit": "0:p0:4sd", "own": {"mouth opening": 1.0}, "effects": {"mouth opening": 1.5}}
    hair = {"edit": "1:p0:4sd", "own": {"hair area": 1.0}, "effects": {"mouth opening": 3.0}}
    broken = {"edit": "0:p1:4sd", "own": {"mouth opening": 9.0}, "effects": {}, "broken": [4.0]}
    found = discover("open mouth", named_edits([[mouth, broken], [hair]]))
    assert [each.edit for each in found] == ["0:p0:4sd", "0:p1:4sd"]
    assert [each.broken for each in found] == [False, True]
    assert found[0].purity == pytest.approx(1 / 1.5)
    closing = discover("close mouth", named_edits([[mouth, broken], [hair]]))
    assert [each.broken for each in closing] == [False, False]  # the other way


@pytest.fixture
def named_edits(tiny):
    factors = fit(tiny, "b", parts=2, seeds=range(8))
    blank = {"name": "", "inside": 0.1, "outside": 0.1, "broken": []}

    def named(edits):
        parts = [{"name": "skin", "edits": [blank | edit for edit in part]} for part in edits]
        return replace(factors, config={**factors.config, "names": {"parts": parts}})

    return named
