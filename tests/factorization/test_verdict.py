"""Whether there is a background, and what is said where there is none."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_background import scene

from panda import PandaError, create_generator
from panda.editing.apply import edit_images
from panda.editing.localize import localize_images
from panda.editing.remove import object_parts, remove_images
from panda.factorization.background import BORDERS, border_mask, find_background, look_mask
from panda.factorization.factors import Factors
from panda.factorization.fit import fit, import_released
from panda.factorization.verdict import LEAST, judge
from panda.generators.contract import Layer

pytestmark = pytest.mark.verdict


def verdict_of(features, border="corners"):
    features = features - features.mean((0, 2, 3), keepdim=True)
    place = look_mask(*features.shape[2:], border)
    return judge(features, None, find_background(features[:32], None, place), place)


def test_a_scene_has_a_background_and_noise_has_none():
    found = verdict_of(scene(count=64)[0])
    assert found.found and found.agreement > 0.9 and found.covered > 0.9 and found.reason == ""
    noise = torch.randn(64, 20, 12, 12, generator=torch.Generator().manual_seed(0))
    none = verdict_of(noise)
    assert not none.found and abs(none.agreement) < 0.3
    assert none.reason.startswith("detectors from disjoint sets of samples disagree")


def test_what_all_sets_agree_on_is_no_background_where_it_covers_little_of_the_corners():
    """A bright dot in each corner is as stable as can be."""
    draw = torch.Generator().manual_seed(0)
    features = 0.3 * torch.randn(64, 20, 24, 24, generator=draw)
    features[:, 0, 0, [0, -1]] += 30
    found = verdict_of(features)
    assert found.agreement > 0.9 and found.covered < 0.2 and not found.found
    assert "covers" in found.reason


def test_few_samples_and_features_that_do_not_vary():
    assert verdict_of(scene(count=LEAST - 1)[0]) is None
    assert verdict_of(scene(count=LEAST)[0]).found
    assert not verdict_of(torch.ones(40, 5, 4, 4)).found


def test_a_border_says_where_background_is_looked_for():
    """What lies to the left and right of a band is at no top, and half of the sides."""
    draw = torch.Generator().manual_seed(0)
    band = 0.3 * torch.randn(64, 20, 24, 24, generator=draw)
    band[:, :3, :, 6:18] += 2
    assert verdict_of(band).found and verdict_of(band, "sides").found
    assert not verdict_of(band, "top").found
    layer = Layer("l", 1, 8, 8, margin=1)
    counts = {border: int(border_mask(layer, 0, border).sum()) for border in BORDERS}
    assert counts == {"corners": 10, "top": 6, "sides": 20, "none": 0}
    places = {border: int(look_mask(12, 12, border).sum()) for border in BORDERS}
    assert places == {"corners": 16, "top": 24, "sides": 80, "none": 0}
    assert not find_background(band, None, look_mask(24, 24, "none")).detector.any()


def test_where_there_is_none_it_is_said_in_place_of_an_answer(tiny, tmp_path, capsys):
    factors = fit(tiny, "b", parts=3, seeds=range(64))
    words = "no background was found at b of tiny: detectors from disjoint sets of samples"
    assert words in capsys.readouterr().err
    assert not factors.has_background and not factors.verdict.found
    latents = tiny.sample([1, 2])
    asked = [
        lambda: localize_images(tiny, factors, latents),
        lambda: remove_images(tiny, factors, latents),
        lambda: edit_images(tiny, factors, latents, "0:bg:1"),
        lambda: factors.vector("bg"),
    ]
    for ask in asked:
        with pytest.raises(PandaError, match=f"{words}.*another layer or --border"):
            ask()
    without = remove_images(tiny, factors, latents, 0)
    assert without.shape == (2, 3, 16, 16)
    assert torch.equal(edit_images(tiny, factors, latents, "0:remove"), without)
    assert object_parts(factors) and localize_images(tiny, factors, latents, 0)
    again = Factors.load(factors.save(tmp_path / "f"))
    assert again.verdict == factors.verdict and not again.has_background
    before = replace(factors, config={**factors.config, "background": None})
    assert before.has_background and before.verdict is None  # as older ones are


def test_imported_factors_without_one_say_so_as_a_fit_does(tiny, tmp_path, capsys):
    np.save(tmp_path / "Uc.npy", np.eye(12, 3, dtype=np.float32))
    np.save(tmp_path / "Us.npy", np.ones((64, 2), dtype=np.float32))
    import_released(tiny, "b", tmp_path / "Uc.npy", tmp_path / "Us.npy", seeds=64)
    assert "no background was found at b of tiny: detectors" in capsys.readouterr().err


@pytest.mark.parametrize(
    "facts",
    [
        [],
        "found",
        True,
        {"border": []},
        {"border": "left"},
        {"found": False},
        {"agreement": True, "covered": True},
        {"agreement": float("nan"), "covered": 0.9},
        {"agreement": 0.9, "covered": float("inf")},
        {"agreement": 10**400, "covered": 0.9},
    ],
)
def test_a_folder_that_says_something_else_of_its_background_is_refused(facts, tiny, tmp_path):
    factors = fit(tiny, "b", parts=3, seeds=range(8))
    folder = replace(factors, config={**factors.config, "background": facts}).save(tmp_path / "f")
    with pytest.raises(PandaError, match="not that of factors: background is .*, expected what"):
        Factors.load(folder)


def test_a_verdict_in_whole_numbers_counts(tiny, tmp_path):
    factors = fit(tiny, "b", parts=3, seeds=range(8))
    facts = {"found": False, "agreement": 0, "covered": 1}
    folder = replace(factors, config={**factors.config, "background": facts}).save(tmp_path / "f")
    assert not Factors.load(folder).has_background


def test_none_can_be_asked_for(tiny):
    factors = fit(tiny, "b", parts=3, seeds=range(8), border="none")
    with pytest.raises(PandaError, match="found at b of tiny: as was asked; another layer"):
        remove_images(tiny, factors, tiny.sample([1]))
    assert remove_images(tiny, factors, tiny.sample([1]), [0, 1, 2]).isfinite().all()
    assert factors.seeds == ""  # which alone would make others: those of the usual border
    with pytest.raises(PandaError, match="there is no border 'top left'; did you mean 'top'"):
        fit(tiny, "b", parts=3, seeds=range(8), border="top left")


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("mini-stylegan2-faces-64", "16.conv1"),
        ("mini-biggan-faces-64", "16.block1"),
        ("mini-proggan-faces-64", "16.conv1"),
        ("mini-stylegan3-faces-64", "L1_22_128"),
    ],
)
def test_generators_of_faces_have_one(name, layer):
    assert fit(create_generator(name), layer, parts=4, seeds=range(64)).has_background


@pytest.mark.download
@pytest.mark.parametrize("layer", ["8.conv", "16.conv", "32.conv"])
def test_painted_eyes_that_fill_the_image_have_none(layer):
    generator = create_generator("dcgan-omniart-eyes-128")
    assert not fit(generator, layer, parts=4, seeds=range(64)).has_background
