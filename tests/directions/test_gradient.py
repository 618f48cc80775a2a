"""Directions by effect, on small networks of the goldens with a stand-in for face parsing."""

import pytest
import torch
from glowing_eyes import Glow
from golden_files import FOLDER

from panda import PandaError, create_generator
from panda.directions import gradient
from panda.directions.changes import StyleChange, WChange, ZChange
from panda.directions.stylespace import style_deviations
from panda.evaluation.choose import choose
from panda.evaluation.edits import find_edits
from panda.evaluation.faces import FaceSampler
from panda.methods.catalog import METHODS, SUPERVISED, find_method
from panda.metrics.regions import Boxes, Parsed
from panda.metrics.soft_measures import MEASURES, soft_measures

FILES = {
    "w": "stylegan2-genforce/checkpoint.pth",
    "z": "proggan-genforce/checkpoint.pth",
    "z and a class": "biggan-ajbrock/state_dict.safetensors",
}


REGIONS = Parsed(Glow())


@pytest.fixture(scope="module")
def generators():
    return {kind: create_generator(FOLDER / file) for kind, file in FILES.items()}


def fitted(generator, *settings):
    return find_method("gradient", ["images=3", "samples=50", *settings]).fit(generator, REGIONS)


def slope(generator, change):
    """How fast the mean of the measure grows over the faces that `fitted` saw."""
    faces = generator.sample(range(3), truncation=generator.usual_truncation)
    render, step = change.start(generator, faces), torch.full((3,), 0.02)
    scores = (REGIONS.parser.scores(render(sign * step)) for sign in (1, -1))
    ahead, behind = (soft_measures(torch.zeros(3, 3, 8, 8), row)["eye area"] for row in scores)
    return float((ahead - behind).mean())


@pytest.mark.parametrize("kind", FILES)
def test_along_it_the_mean_of_the_measure_grows_fastest(generators, kind):
    generator = generators[kind]
    edits = fitted(generator, "measures=eye area").changes
    change = next(iter(edits.values()))
    assert float(change.direction.norm()) == pytest.approx(1)
    draws = torch.Generator().manual_seed(0)
    random = torch.randn(4, len(change.direction), generator=draws)
    random += 2 * change.direction  # near it, where a wrong one would be beaten
    best = slope(generator, change)
    assert best > 0
    assert all(best > slope(generator, type(change)(row / row.norm())) for row in random)


def test_its_style_channels_move_the_measure_most(generators):
    generator = generators["w"]
    fit = fitted(generator, "measures=eye area", "channels=4")
    chosen = [change for change in fit.changes.values() if isinstance(change, StyleChange)]
    slopes = [abs(slope(generator, change)) for change in chosen]
    assert len(chosen) == 4
    assert slopes == pytest.approx(sorted(slopes, reverse=True), rel=0.05)
    deviations = style_deviations(generator, 50)
    others = [
        StyleChange(slot, k, float(row[k])) for slot, row in deviations.items() for k in (0, 3)
    ]
    assert 1.05 * slopes[-1] >= max(abs(slope(generator, other)) for other in {*others} - {*chosen})


def test_each_measure_has_directions_for_ranges_of_slots(generators):
    edits = fitted(generators["w"], "measures=eye area,hair brightness", "channels=0").changes
    slots = len(generators["w"].slots)
    ranges = {(change.start_slot, change.stop_slot) for change in edits.values()}
    assert (0, slots) in ranges and len(ranges) >= 4
    assert {name.partition(" in ")[0] for name in edits} == {"eye area", "hair brightness"}
    assert all(isinstance(change, WChange) for change in edits.values())
    straight = fitted(generators["z"], "measures=eye area,lip corners").changes
    assert list(straight) == ["eye area"]  # nothing moves the corners of drawn lips
    assert isinstance(straight["eye area"], ZChange)


def test_ranges_cover_all_slots_and_none_is_empty():
    assert gradient._ranges(16) == [(0, 16), (0, 5), (5, 11), (11, 16), (4, 8)]
    assert gradient._ranges(1) == [(0, 1)]


def test_edits_are_tried_for_the_goal_of_their_measure_alone(generators):
    generator, method = generators["w"], find_method("gradient", ["images=2"])
    sampler = FaceSampler(generator, Glow(), size=64, parse_size=64)
    goals = find_edits("eyes,dark_hair")
    edits = method.fit(generator, REGIONS).changes
    aims = {name: method.aim(name) for name in edits}
    assert set(aims.values()) <= set(MEASURES)
    chosen = choose(sampler, edits, goals, sampler.sample([5]), 0.02, 1, aims=aims)
    assert {purpose: aims[choice.name] for purpose, choice in chosen.items()} == {
        "eyes": "eye area",
        "dark_hair": "hair brightness",
    }


def test_the_parser_of_boxes_is_its_own(generators, monkeypatch):
    monkeypatch.setattr(gradient, "FaceParser", lambda device: Glow())
    method = find_method("gradient", ["images=1", "measures=eye area"])
    assert list(method.fit(generators["z"], Boxes()).changes) == ["eye area"]


def test_what_gives_no_directions_says_so(generators, monkeypatch):
    generator = generators["z"]
    with pytest.raises(PandaError, match="no measure 'eye are'; did you mean 'eye area'"):
        fitted(generator, "measures=eye are")
    with pytest.raises(PandaError, match="0 images, expected at least 1"):
        fitted(generator, "images=0")
    with pytest.raises(PandaError, match="nothing moves lip corners in 3 samples"):
        fitted(generator, "measures=lip corners")
    with pytest.raises(PandaError, match="are no faces"):
        find_method("gradient", ["images=2"]).fit(generator, Parsed(Glow(face=False)))
    forward = generator.forward
    monkeypatch.setattr(generator, "forward", lambda latents: forward(latents).detach())
    with pytest.raises(PandaError, match="gives no gradients"):
        fitted(generator)


def test_supervised_methods_are_not_among_the_others():
    assert not any(method.supervised for method in METHODS.values())
    assert all(method.supervised for method in SUPERVISED.values())
    assert not METHODS.keys() & SUPERVISED.keys()
    assert all(method.aim("0 in 0-3") is None for method in METHODS.values())
