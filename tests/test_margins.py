"""What lies outside the image (StyleGAN3) never counts as inside of it: masks are of the image."""

import json

import pytest
import torch
from framed import CANVAS, LAYER, MARGIN, WHOLE, Framed, parse, planted

from panda.cli import main, rendering
from panda.demo.sections import LayerStudy, _apply
from panda.directions.changes import ZChange
from panda.editing.apply import direction
from panda.editing.edits import Edit
from panda.editing.refine import refine_images
from panda.editing.remove import object_parts
from panda.evaluation.choose import _screen_layer, _shares, screen
from panda.evaluation.faces import Faces, FaceSampler
from panda.evaluation.localization import measure_localization
from panda.evaluation.removal import covering
from panda.factorization.fit import fit
from panda.generators.contract import Latents
from panda.methods.parts import PartChange
from panda.naming.names import describe_part, name_factors, place_of
from panda.naming.saved import names_of


@pytest.fixture(scope="module")
def framed():
    return Framed()


@pytest.fixture(scope="module")
def factors(framed):
    return fit(framed, LAYER.name, parts=4, seeds=range(60))


@pytest.fixture(scope="module")
def part(factors):
    """Which part is the hair, the skin, what is outside, and the rest."""
    overlap = torch.einsum("khw,phw->kp", planted(), factors.padded_masks)
    order = overlap.argmax(1).tolist()
    assert sorted(order) == [0, 1, 2, 3]
    return dict(zip(("hair", "skin", "outside", "rest"), order, strict=True))


def inside(maps):
    return maps[..., MARGIN:-MARGIN, MARGIN:-MARGIN]


def test_masks_cover_the_image_and_padded_masks_the_features(factors, framed, part):
    assert factors.masks.shape == (4, CANVAS, CANVAS)
    assert factors.padded_masks.shape == (4, WHOLE, WHOLE)
    assert torch.equal(factors.masks, inside(factors.padded_masks))
    torch.testing.assert_close(factors.masks[part["hair"]], inside(planted())[0], atol=1e-3, rtol=0)
    assert float(factors.masks[part["outside"]].max()) < 1e-3
    refined = refine_images(framed, factors, framed.sample(range(3)))
    assert factors.as_masks(refined).shape == (3, 4, CANVAS, CANVAS)


def test_an_edit_weighs_features_by_padded_masks(factors):
    for part, mask in enumerate(factors.padded_masks):
        vector, _ = factors.vector("p0", part)
        change = direction(factors, [Edit((part,), "p0", 2.0)])[0]
        expected = 2 * vector[:, None, None] * mask
        torch.testing.assert_close(change, expected)


def test_the_map_that_is_the_hair_has_all_of_the_overlap(framed, factors):
    found = measure_localization(framed, [factors], parse, n=4, select=4)
    assert found["hair"]["iou"][0] > 0.9 and found["skin"]["iou"][0] > 0.85  # less eyes and mouth


def test_a_class_is_covered_by_the_part_that_lies_on_it_in_the_image(factors, part):
    parsed = parse(torch.zeros(2, 3, 64, 64))
    assert covering(factors, parsed, "hair") == [part["hair"]]
    assert covering(factors, parsed, "skin") == [part["skin"]]


def faces_of(framed, count=2):
    latents = framed.sample(range(count))
    places = inside(planted())[:2].repeat_interleave(4, 1).repeat_interleave(4, 2) > 0
    regions = dict(zip(("hair", "skin"), places[:, None].expand(-1, count, -1, -1), strict=True))
    return Faces(latents, framed.forward(latents), regions, {}, torch.ones(count) > 0)


def test_the_share_of_an_edit_in_a_region_is_that_of_the_image(framed, factors, part):
    faces = faces_of(framed)
    shares = {
        name: _shares(PartChange(factors, Edit((number,), "p0", 1.0)), faces)
        for name, number in part.items()
    }
    assert shares["hair"] == pytest.approx({"hair": 1, "skin": 0}, abs=0.01)
    assert shares["skin"] == pytest.approx({"hair": 0, "skin": 1}, abs=0.01)
    assert shares["outside"] == pytest.approx({"hair": 0, "skin": 0}, abs=0.01)


class Move(ZChange):
    """Moves z, which this generator does not offer to other methods."""

    def moved(self, generator, latents, strengths):
        z = latents.tensors["z"] + strengths[:, None] * self.direction
        return Latents(latents.seeds, {"z": z})


def test_latent_changes_are_screened_inside_the_image(framed):
    faces = faces_of(framed)
    hair_and_outside = Move(torch.tensor([0.1, 0, 0.1, 0]))
    ratios = screen(FaceSampler(framed, None, size=64), hair_and_outside, faces)
    assert ratios["hair"] == pytest.approx(0, abs=1e-6)


def test_the_layer_of_screening_has_enough_positions_inside_the_image(framed, monkeypatch):
    monkeypatch.setattr("panda.evaluation.choose.PIXELS", CANVAS + 1)
    large = type(LAYER)("large", 4, CANVAS + 1, CANVAS + 1)
    other = Framed()
    other.layers = {LAYER.name: LAYER, "large": large}
    assert _screen_layer(other) == "large"


def test_parts_are_named_after_what_they_cover_in_the_image(framed, factors, part):
    names = [entry["name"] for entry in names_of(name_factors(framed, factors, parse))["parts"]]
    assert names[part["hair"]] == "hair"
    assert set(names[part["skin"]].split(", ")) < {"skin", "eyes", "nose", "mouth"}
    assert names[part["rest"]] == "background"
    assert names[part["outside"]] == "outside the image"


def test_a_part_in_the_margins_alone_is_outside_the_image():
    nothing = torch.zeros(4, 4)
    assert place_of(nothing) == describe_part(nothing, None) == "outside the image"
    assert describe_part(nothing, parse(torch.zeros(1, 3, 64, 64))) == "outside the image"


def test_a_part_in_the_margins_alone_is_none_of_the_object(factors, part):
    assert part["outside"] not in object_parts(factors)
    assert part["skin"] in object_parts(factors)


def test_the_report_measures_changes_inside_the_parts_mask_in_the_image(framed, factors, part):
    latents = framed.sample([0])
    study = LayerStudy.make(framed, factors, latents, framed.forward(latents))
    shown, _ = _apply(study, 0, Edit((part["skin"],), "p0", 3.0, sigma=True))
    assert shown.inside > 0.05 and shown.outside < 0.1 * shown.inside
    refined = refine_images(framed, factors, latents)
    shown, _ = _apply(study, 0, Edit((part["skin"],), "p0", 3.0, sigma=True), refined)
    assert shown.inside > 0.05 and shown.outside < 0.1 * shown.inside


@pytest.mark.parametrize("words", [["parts"], ["parts", "--refine"], ["refine"]])
def test_the_shell_gives_areas_of_the_image(
    framed, factors, part, words, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(rendering, "create_generator", lambda name, device: framed)
    factors.save(tmp_path / "factors")
    folder, out = str(tmp_path / "factors"), str(tmp_path / "out")
    assert main([words[0], folder, *words[1:], "--seeds", "0", "--out", out, "--json"]) == 0
    (sample,) = json.loads(capsys.readouterr().out)["samples"]
    areas = dict(zip(part, (sample["areas"][number] for number in part.values()), strict=True))
    expected = dict(zip(part, inside(planted()).mean((1, 2)).tolist(), strict=True))
    assert areas == pytest.approx(expected, abs=0.02)
