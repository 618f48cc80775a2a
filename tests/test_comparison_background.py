"""Where `panda compare` finds the background, and what a removal of the object changes."""

from dataclasses import replace

import torch
from comparing import SMALL

from panda.comparison.background import measure_depths, measure_removal
from panda.factorize import fit
from panda.metrics.parsing import CLASSES
from panda.remove import object_parts


def test_a_planted_background_is_found_at_its_depth(tiny, monkeypatch):
    planted = torch.nn.functional.normalize(torch.randn(12), dim=0)
    real = tiny.head
    border = torch.ones(8, 8)
    border[2:, 2:6] = 0

    def with_background(latents, layer):
        state = real(latents, layer)
        if layer != "b":
            return state
        return state.with_features(state.x + 30 * planted[:, None, None] * border)

    monkeypatch.setattr(tiny, "head", with_background)

    def parse(images):
        inside = border.bool().repeat_interleave(8, 0).repeat_interleave(8, 1)
        return (
            torch.where(inside, 0, CLASSES.index("skin"))
            .to(torch.uint8)
            .expand(len(images), -1, -1)
        )

    found = {one.layer: one for one in measure_depths(tiny, replace(SMALL, samples=40), parse)}
    assert found["b"].iou[0] > 0.85 > found["c"].iou[0]
    assert found["b"].share > 0.5 and found["b"].contrast > 0.9


def test_removal_of_the_object_changes_it_more_than_the_rest(tiny):
    factors = fit(tiny, "b", parts=4, seeds=range(60))
    cleared = measure_removal(tiny, factors, SMALL, None)
    assert cleared.parts == tuple(object_parts(factors))
    assert cleared.inside > cleared.outside > 0
