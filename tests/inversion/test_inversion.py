"""Latents from pictures, on a generator of the mini zoo."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from damage import damages
from golden_files import FILES, FOLDER
from PIL import Image

from panda import PandaError, create_generator
from panda.checkpoints.tensors import load_tensors, save_tensors
from panda.editing.apply import edit_images
from panda.editing.edits import Edit
from panda.factorization.fit import fit
from panda.generators.contract import Latents
from panda.generators.latent_spaces import WSpace
from panda.images import to_picture
from panda.inversion import Inversion, invert
from panda.metrics import lpips
from panda.photographs.pictures import as_pictures
from panda.photographs.place import Place
from panda.photographs.squares import Square


@pytest.fixture(scope="module")
def distance():
    if not lpips.WEIGHTS.cached:
        pytest.skip("the weights of LPIPS are not cached; 'panda invert' fetches them")
    return lpips.LPIPS()


@pytest.fixture(scope="module")
def mini():
    return create_generator("mini-stylegan2-faces-64")


@pytest.fixture(scope="module")
def pictures(mini):
    return mini.forward(mini.sample([5001, 5002], truncation=1.0))


@pytest.fixture(scope="module")
def inverted(mini, pictures, distance):
    return invert(mini, pictures, steps=30, lpips=distance, names=["one.jpg", "two.jpg"])


def test_a_generated_face_comes_near_its_image_and_steps_bring_it_nearer(
    mini, pictures, distance, inverted
):
    few = invert(mini, pictures, steps=4, lpips=distance)
    assert max(inverted.lpips) < 0.03 < 0.04 < min(few.lpips)
    assert max(inverted.pixels) < 0.1
    assert all(a < b for a, b in zip(inverted.pixels, few.pixels, strict=True))
    images = mini.forward(inverted.latents_for(mini)).clamp(-1, 1)
    assert float((images - inverted.reconstructions).abs().max()) <= 1 / 127


def test_a_picture_has_the_same_latents_whatever_stands_beside_it(
    mini, pictures, distance, inverted
):
    alone = invert(mini, pictures[1:], steps=30, lpips=distance)
    assert torch.equal(alone.latents.tensors["w"], inverted.latents.tensors["w"][1:])
    other = invert(mini, pictures[1:], steps=30, lpips=distance, seed=100)
    assert not torch.equal(alone.latents.tensors["w"], other.latents.tensors["w"])


def test_features_come_nearer_than_latents_alone_in_as_many_steps(
    mini, pictures, distance, inverted
):
    latents = invert(mini, pictures, space="w+", steps=30, lpips=distance)
    assert all(a < b for a, b in zip(inverted.lpips, latents.lpips, strict=True))


def test_edits_act_on_inverted_latents(mini, inverted):
    factors = fit(mini, "16.conv1", parts=4, seeds=range(50))
    latents = inverted.latents_for(mini)
    after = edit_images(mini, factors, latents, [Edit((0,), "p0", 3.0, sigma=True)])
    assert after.shape == (2, 3, 64, 64)
    assert float((after - inverted.reconstructions).abs().mean()) > 0.01


def test_an_inversion_comes_back_as_it_was_saved(inverted, tmp_path):
    inverted.save(tmp_path / "me")
    inverted.save(tmp_path / "me")
    found = Inversion.load(tmp_path / "me")
    assert found.config == inverted.config
    assert found.names == ("one.jpg", "two.jpg")
    assert found.latents.seeds == inverted.latents.seeds
    for name, tensor in inverted.latents.tensors.items():
        assert torch.equal(found.latents.tensors[name], tensor)
    assert torch.equal(found.pictures, inverted.pictures)
    assert torch.equal(found.reconstructions, inverted.reconstructions)


def test_progress_counts_the_steps_of_all_pictures_and_can_end_the_search(mini, pictures, distance):
    seen = []
    invert(mini, pictures, steps=3, lpips=distance, progress=lambda *step: seen.append(step))
    assert [(done, total) for done, total, _ in seen] == [(k, 6) for k in range(1, 7)]

    def stop(done, total, error):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        invert(mini, pictures, steps=3, lpips=distance, progress=stop)


def test_without_latents_that_move_features_alone_are_searched(tiny, distance):
    picture = tiny.forward(tiny.sample([900])).clamp(-1, 1)
    found = invert(tiny, picture, layer="b", steps=40, lpips=distance)
    assert found.config["search"]["stages"] == {"features": 40} and found.config["layer"] == "b"
    assert found.lpips[0] < 0.5 * found.config["trace"][0][0]
    assert torch.equal(tiny.tail(tiny.head(found.latents, "b"), "b"), tiny.forward(found.latents))
    with pytest.raises(PandaError, match="tiny has no space 'w'; valid: features"):
        invert(tiny, picture, space="w", lpips=distance)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"space": "z"}, "mini-stylegan2-faces-64 has no space 'z'; valid: features, w[+], w"),
        ({"steps": 0}, "0 steps, expected at least one"),
        ({"label": 3}, "has no classes, but label 3 was given"),
        ({"seed": -1}, "seed -1 is not a whole number"),
        ({"names": ["a"]}, "1 names for 2 pictures"),
        ({"steps": 2.5}, "2.5 steps, expected a whole number"),
        ({"space": 3}, "has no space 3"),
        ({"layer": 3}, "has no layer 3"),
        ({"align": "up"}, "no alignment 'up'; valid: auto, always, never"),
        ({"seed": "x"}, "seed 'x' is not a whole number"),
    ],
)
def test_wrong_settings_are_refused(mini, pictures, distance, arguments, said):
    with pytest.raises(PandaError, match=said):
        invert(mini, pictures, lpips=distance, **arguments)


def test_wrong_pictures_are_refused(mini, distance):
    for pictures, said in (
        (torch.zeros(0, 3, 64, 64), r"\[0, 3, 64, 64\], expected the proportions of .* 64 x 64"),
        (torch.zeros(1, 3, 64, 48), r"shape \[1, 3, 64, 48\], expected the proportions"),
        (torch.full((1, 3, 64, 64), torch.nan), "NaN or infinity"),
        (torch.full((1, 3, 64, 64), 255.0), r"values of 255, expected floats in \[-1, 1\]"),
        (torch.zeros(1, 3, 64, 64, dtype=torch.int64), r"\[1, 3, 64, 64\] of torch.int64 is no"),
        (torch.zeros(5, 64, 64, dtype=torch.uint8), "is no photograph"),
        (np.array(["a"]), "is no photograph"),
        (None, "NoneType is no photograph; expected a file, a PIL picture"),
        ([3], "int is no photograph"),
        ([], "no photographs were given"),
        ("missing.jpg", "missing.jpg cannot be read: No such file"),
        (Image.new("RGB", (8, 8)), "8 x 8 pixels, expected at least 32"),
    ):
        with pytest.raises(PandaError, match=said):
            invert(mini, pictures, lpips=distance)
    with pytest.raises(PandaError, match="'mini' is no generator; create_generator"):
        invert("mini", torch.zeros(1, 3, 64, 64))


def test_photographs_come_in_any_form(mini, pictures, tmp_path):
    """All show the same face in the middle of a wider picture, which is the square to take."""
    wide = torch.cat([-pictures[:1, :, :, :16], pictures[:1], pictures[:1, :, :, :16]], 3)
    picture = to_picture(wide[0].clamp(-1, 1))
    picture.save(tmp_path / "face.png")
    levels = np.asarray(picture)
    opened = Image.open(tmp_path / "face.png")
    forms = [str(tmp_path / "face.png"), tmp_path / "face.png", picture, opened, levels]
    forms += [torch.tensor(levels), torch.tensor(levels).permute(2, 0, 1), levels[None]]
    forms += [pictures[0], pictures[:1].numpy(), pictures[0].double()]
    expected = pictures[:1].clamp(-1, 1)
    for form in forms:
        found = as_pictures(mini, form, "never").images
        assert found.shape == (1, 3, 64, 64) and found.dtype == torch.float32
        assert float((found.clamp(-1, 1) - expected).abs().max()) < 0.01
    assert picture.info == Image.fromarray(levels).info  # a picture of the user's stays as it is
    several = as_pictures(mini, [*forms, pictures], "never")
    names = several.names
    assert len(several) == len(forms) + 2
    file = str(tmp_path / "face.png")
    assert names[:5] == [file, file, "a photograph", file, "a photograph"]
    assert names[-2:] == ["picture 12", "picture 13"]
    assert as_pictures(mini, pictures, "never").names == []
    place = Place.from_json(several.places[0])
    assert place.origin.sha256 == hashlib.sha256(Path(file).read_bytes()).hexdigest()
    assert place.square == Square(48 + 32j, 32 + 0j) and Path(place.origin.path).samefile(file)
    assert several.places[2] is None and several.places[-1] is None


def test_a_photograph_is_inverted_by_its_path(mini, pictures, distance, tmp_path):
    to_picture(pictures[0]).save(tmp_path / "face.png")
    steps, seed = torch.tensor(2), np.int64(0)
    found = invert(
        mini, tmp_path / "face.png", align="never", steps=steps, seed=seed, lpips=distance
    )
    assert found.names == (str(tmp_path / "face.png"),)
    assert Inversion.load(found.save(tmp_path / "me")).config["steps"] == 2


@pytest.mark.parametrize("file", sorted(f for f in FILES if not f.startswith("shapes/")))
def test_every_kind_of_generator_with_latents_that_move_is_searched(file, distance):
    generator = create_generator(FOLDER / file)
    picture = generator.forward(generator.sample([900], truncation=1.0))
    found = invert(generator, picture, steps=10, lpips=distance)
    trace = found.config["trace"][0]
    assert found.lpips[0] <= trace[0]
    assert found.lpips[0] < trace[0] or trace[0] < 1e-3  # images that are all the same
    stages = ["w", "w+", "features"] if isinstance(generator, WSpace) else ["z", "features"]
    assert list(found.config["search"]["stages"]) == stages
    images = generator.forward(found.latents_for(generator)).float().clamp(-1, 1)
    assert float((images - found.reconstructions).abs().max()) <= 1 / 127


@pytest.mark.parametrize("file", ["stylegan2-genforce/checkpoint.pth", "proggan-tf/network.pkl"])
def test_a_generator_of_another_precision_is_searched(file, distance):
    generator = create_generator(FOLDER / file, dtype=torch.float64)
    picture = generator.forward(generator.sample([900], truncation=1.0)).float()
    found = invert(generator, picture, steps=4, lpips=distance)
    assert {tensor.dtype for tensor in found.latents.tensors.values()} == {torch.float64}
    assert found.lpips[0] < found.config["trace"][0][0]


def test_a_class_is_kept_or_found_by_the_start(distance):
    generator = create_generator(FOLDER / "biggan-deep-hf/hf")
    picture = generator.forward(generator.sample([900], truncation=1.0, label=2))
    given = invert(generator, picture, steps=1, lpips=distance, label=2)
    assert int(given.latents.tensors["label"].argmax()) == 2
    free = invert(generator, picture, steps=1, lpips=distance)
    assert free.latents.tensors["label"].sum() == 1


def test_latents_of_another_generator_are_refused(inverted, tiny, tmp_path):
    with pytest.raises(PandaError, match="latents of mini-stylegan2-faces-64, but the generator"):
        inverted.latents_for(tiny)
    for latents in (inverted.latents, Inversion.load(inverted.save(tmp_path / "me")).latents):
        with pytest.raises(PandaError, match="latents are of mini-stylegan2-faces-64, but"):
            tiny(latents)
    tiny.name = inverted.generator
    with pytest.raises(PandaError, match="these latents do not fit mini-stylegan2-faces-64"):
        inverted.latents_for(tiny)


def test_latents_of_another_shape_are_refused(inverted, mini):
    for name, other in (("w", slice(0, 3)), ("z", slice(0, 5))):
        tensors = dict(inverted.latents.tensors)
        tensors[name] = tensors[name][:, other]
        changed = replace(inverted, latents=Latents(inverted.latents.seeds, tensors))
        with pytest.raises(PandaError, match=rf"do not fit mini-stylegan2-faces-64 .{name}."):
            changed.latents_for(mini)


def test_an_inversion_shows_itself_in_a_line_and_can_be_compared(inverted):
    text = repr(inverted)
    assert text.startswith("<Inversion of 2 pictures by mini-stylegan2-faces-64, LPIPS 0.0")
    assert len(text) < 100
    assert inverted == inverted and inverted != replace(inverted) and hash(inverted)


@pytest.fixture
def saved(inverted, tmp_path):
    return inverted.save(tmp_path / "me")


def change(folder, **changes):
    config = json.loads((folder / "config.json").read_text())
    config.update(changes)
    kept = {key: value for key, value in config.items() if value is not None}
    (folder / "config.json").write_text(json.dumps(kept))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format": 2}, "format 2, expected 1"),
        ({"format": None}, "is not that of an inversion"),
        ({"generator": 7}, "expected a generator's name"),
        ({"seeds": [0]}, "is not that of an inversion"),
        ({"seeds": ["a", "b"]}, "is not that of an inversion"),
        ({"lpips": ["a", "b"]}, "is not that of an inversion"),
        ({"pictures": [1]}, "is not that of an inversion"),
    ],
)
def test_a_changed_config_is_refused(saved, changes, said):
    change(saved, **changes)
    with pytest.raises(PandaError, match=said):
        Inversion.load(saved)


@pytest.mark.parametrize("name", ["config.json", "inversion.safetensors"])
def test_damaged_files_are_a_sentence_that_says_what_to_do(saved, name):
    content = (saved / name).read_bytes()
    for damaged in damages(content, len(content), garbled=30):
        (saved / name).write_bytes(damaged)
        try:
            assert len(Inversion.load(saved).lpips) == 2
        except PandaError as error:
            assert "invert" in str(error)  # again
        else:
            assert damaged not in (b"", b"{}\n", b"[1]\n", content[: len(content) // 2])


def test_damaged_or_other_tensors_are_refused(saved):
    file = saved / "inversion.safetensors"
    tensors = load_tensors(file)
    for name, other in (
        ("latents.w", torch.full_like(tensors["latents.w"], torch.nan)),
        ("latents.w", tensors["latents.w"][:1]),
        ("pictures", tensors["pictures"].float()),
        ("more", torch.zeros(2)),
    ):
        save_tensors(file, {**tensors, name: other}, {})
        with pytest.raises(PandaError, match="does not hold the latents and images of 2 pictures"):
            Inversion.load(saved)
    file.write_bytes(b"nothing")
    with pytest.raises(PandaError, match="not a whole safetensors file"):
        Inversion.load(saved)


def test_nothing_but_an_inversion_is_replaced(inverted, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "photo.jpg").touch()
    with pytest.raises(PandaError, match="holds no inversion; choose another folder"):
        inverted.save(tmp_path / "mine")
    with pytest.raises(PandaError, match="holds no inversion .no config.json.; make one with"):
        Inversion.load(tmp_path / "mine")


def test_what_is_kept_is_found_again_and_goes_on_where_a_call_was_interrupted(
    mini, pictures, distance, tmp_path, monkeypatch
):
    monkeypatch.setenv("PANDA_HOME", str(tmp_path))
    settings = {"steps": 5, "lpips": distance, "keep": True}

    def stop_in_the_second(done, total, error):
        if done == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        invert(mini, pictures, progress=stop_in_the_second, **settings)
    steps = []
    whole = invert(mini, pictures, progress=lambda done, *_: steps.append(done), **settings)
    assert steps == [6, 7, 8, 9, 10]
    plain = invert(mini, pictures, steps=5, lpips=distance)
    again = invert(mini, pictures, progress=pytest.fail, **settings)
    for found in (whole, again):
        traces = zip(found.config["trace"], plain.config["trace"], strict=True)
        assert all(a == pytest.approx(b, abs=1e-5) for a, b in traces)
        assert found.latents.seeds == plain.latents.seeds
        for name, rows in plain.latents.tensors.items():
            assert torch.equal(found.latents.tensors[name], rows)


def test_large_seeds_come_back_from_the_cache(mini, pictures, distance, tmp_path, monkeypatch):
    monkeypatch.setenv("PANDA_HOME", str(tmp_path))
    settings = {"steps": 1, "space": "w", "lpips": distance, "keep": True}
    first, again = (invert(mini, pictures[:1], seed=2**25 + 1, **settings) for _ in range(2))
    assert first.latents.seeds[0] > 2**25 and first.latents.seeds == again.latents.seeds
