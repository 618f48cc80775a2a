"""Directions of methods by name, and those that are kept in the cache."""

from functools import partial
from types import SimpleNamespace

import pytest
import torch
from drawn_directions import FEW, RELAXED, use_few
from glowing_eyes import Glow
from golden_files import FOLDER

from panda import PandaError, create_generator
from panda.directions import gradient, lowrankgan, named
from panda.directions.changes import WChange
from panda.directions.ganspace import GANSpace
from panda.directions.gradient import Gradient
from panda.directions.kept import keep
from panda.directions.named import FEATURE_FINDERS, FINDERS, REGIONS, find_direction
from panda.directions.random import Random
from panda.directions.resefa import ReSeFa
from panda.directions.sefa import SeFa
from panda.directions.stylespace import style_deviations
from panda.generators.registry import list_generators
from panda.methods.catalog import METHODS, SUPERVISED

MAPPED, STRAIGHT = "mini-stylegan2-faces-64", "mini-biggan-faces-64"


@pytest.fixture(scope="module")
def minis():
    return {name: create_generator(name) for name in list_generators("mini-*")}


@pytest.fixture(autouse=True)
def few(monkeypatch, cache):
    """Few samples, and an empty cache."""
    use_few(monkeypatch)


def same(generator, one, other):
    """Whether two changes move latents alike."""
    latents, strengths = generator.sample([1, 2]), torch.tensor([2.0, -1.0])
    moved = [each.moved(generator, latents, strengths).tensors for each in (one, other)]
    return all(torch.allclose(moved[0][k], moved[1][k], atol=1e-5) for k in moved[0])


def test_what_is_kept_is_of_the_options_and_the_label_that_a_generator_is_loaded_with():
    """Its weights are the same, but other steps or another class have other directions."""
    names = ["net.pt?steps=5", "net.pt?steps=20", "net.pt", "net.pt@3"]
    rows = torch.arange(4.0)

    def found(k, x):
        loaded = SimpleNamespace(name=names[k], digest="0" * 64)
        return keep("a method", {}, loaded, lambda: {"x": x}).get("x")

    assert [float(found(k, rows[k : k + 1])) for k in range(4)] == [0, 1, 2, 3]
    assert [float(found(k, rows[:0])) for k in range(4)] == [0, 1, 2, 3]


def test_every_method_has_names_but_panda():
    named_methods = FINDERS.keys() | FEATURE_FINDERS.keys()
    assert named_methods == (METHODS.keys() | SUPERVISED.keys()) - {"panda", "coordinates"}


@pytest.mark.parametrize(
    "name", [name for name in list_generators("mini-*") if "diffusion" not in name]
)
@pytest.mark.parametrize("method", [SeFa(), GANSpace(samples=100, features=20), Random()])
def test_a_number_is_that_of_the_methods_own_list(minis, name, method):
    generator = minis[name]
    changes = method.changes(generator, REGIONS)
    first, *_ = changes
    assert same(generator, find_direction(method.name, "0", generator), changes[first])
    third = find_direction(method.name, "3", generator)
    assert same(generator, third, changes[first.replace("0", "3", 1)])
    assert not same(generator, third, changes[first])


def test_slots_choose_what_sefa_sees_and_what_every_direction_moves(minis):
    generator = minis[MAPPED]
    middle = find_direction("sefa", "1", generator, (2, 6))
    assert same(generator, middle, SeFa().changes(generator, REGIONS)["1 in 2-5"])
    for method, key in (("ganspace", "0"), ("resefa", "eyes.0")):
        moved, whole = (find_direction(method, key, generator, slots) for slots in ((2, 3), None))
        assert same(generator, moved, WChange(whole.direction, 2, 3))
    with pytest.raises(PandaError, match="no slot of .* among image styles features"):
        find_direction("sefa", "1", generator, (len(generator.slots) - 1, len(generator.slots)))


def test_a_style_channel_counts_standard_deviations(minis):
    generator = minis[MAPPED]
    change = find_direction("stylespace", "16.conv1.5", generator)
    assert (change.slot, change.channel) == ("16.conv1", 5)
    spread = style_deviations(generator, 50)["16.conv1"]
    assert change.unit == pytest.approx(float(spread[5]), rel=1e-5)


def test_regional_directions_are_those_of_the_method(minis):
    generator = minis[MAPPED]
    for method, short, name in (
        (ReSeFa(**FEW), "eyes.0", "eyes 0 of all images"),
        (ReSeFa(**FEW), "mouth.2.1", "mouth 2 of image 1"),
        (RELAXED, "nose.0", "nose 0 of image 0"),
    ):
        expected = method.changes(generator, REGIONS)[name]
        assert same(generator, find_direction(method.name, short, generator), expected)


def test_what_takes_time_is_fitted_once_for_weights_and_settings(minis, cache, monkeypatch, capsys):
    generator, fits = minis[MAPPED], []
    real = ReSeFa.changes
    monkeypatch.setattr(ReSeFa, "changes", lambda *arguments: fits.append(1) or real(*arguments))

    def again(key="eyes.0"):
        named._FOUND.clear()
        return find_direction("resefa", key, generator).direction

    first = again()
    assert "fitting resefa to mini-stylegan2-faces-64, once" in capsys.readouterr().err
    assert torch.equal(again(), first) and not torch.equal(again("eyes.1"), first)
    assert len(fits) == 1 and capsys.readouterr().err == ""
    (file,) = cache.glob("directions/*/resefa-*/directions.safetensors")
    file.write_bytes(b"damaged")
    assert torch.equal(again(), first) and len(fits) == 2
    other = named._regional(ReSeFa(**{**FEW, "subspace": 5}))
    monkeypatch.setitem(FINDERS, "resefa", other)
    assert not torch.equal(again(), first) and len(fits) == 3
    monkeypatch.setattr(type(generator), "digest", "0" * 64)
    again()
    assert len(fits) == 4 and len(list(cache.glob("directions/*/resefa-*"))) == 3
    monkeypatch.setattr(type(generator), "digest", "")  # which nothing can be kept for
    again()
    again()
    assert len(fits) == 6


@pytest.mark.parametrize("inside", ["config.json/", "notes.txt", ""])
def test_what_is_in_the_way_in_the_cache_is_told_before_the_fit(cache, inside):
    generator = create_generator(FOLDER / "biggan-deep-hf/hf")
    keep("it", {}, generator, lambda: {"row": torch.zeros(1)})
    (folder,) = cache.glob("directions/*/it-*")
    for file in folder.iterdir():
        file.unlink()
    if inside.endswith("/"):
        (folder / inside).mkdir()
    elif inside:
        (folder / inside).write_text("mine", encoding="utf-8")
    else:
        folder.rmdir()
        folder.touch()
    with pytest.raises(PandaError, match=r"is in the way of what is kept in the cache; delete it"):
        keep("it", {}, generator, lambda: pytest.fail("fitted"))


@pytest.mark.parametrize("name", [MAPPED, STRAIGHT])
def test_gradients_are_named_by_what_they_move_and_fitted_once(minis, name, monkeypatch):
    generator = minis[name]
    monkeypatch.setattr(named, "Gradient", partial(Gradient, images=1, channels=0, samples=2))
    monkeypatch.setattr(gradient, "FaceParser", lambda device: Glow())
    method = named.Gradient(measures="eye area")
    expected = method.changes(generator, REGIONS)
    first, *_ = expected.values()
    assert same(generator, find_direction("gradient", "eye_area", generator), first)
    monkeypatch.setattr(gradient, "FaceParser", None)  # which is not needed any more
    named._FOUND.clear()
    assert same(generator, find_direction("gradient", "eye_area", generator), first)
    if name == MAPPED:
        middle = find_direction("gradient", "eye_area", generator, (4, 8))
        assert same(generator, middle, expected["eye area in 4-7"])
    with pytest.raises(PandaError, match="gradient/lip_corners: nothing moves the lip corners"):
        find_direction("gradient", "lip_corners", generator)


@pytest.mark.parametrize(
    ("name", "method", "key", "said"),
    [
        (MAPPED, "sefa", "99", "no direction sefa/99; sefa has 0 to 39, such as sefa/39"),
        (STRAIGHT, "sefa", "x", "no direction sefa/x; sefa has 0 to 39, such as sefa/0"),
        (STRAIGHT, "ganspace", "19", "ganspace has 0 to 18, such as ganspace/18"),
        (MAPPED, "stylespace", "16.conv2.5", "has no slot '16.conv2' with styles; did you mean '1"),
        (MAPPED, "stylespace", "5", "expected SLOT.CHANNEL, but .* has no slot ''"),
        (MAPPED, "stylespace", "4.conv1.999", "4.conv1 has channels 0 to 127, such as .*conv1.127"),
        (MAPPED, "resefa", "eye.0", "expected REGION.NUMBER, .*did you mean 'eyes'"),
        (MAPPED, "resefa", "eyes", "expected REGION.NUMBER, such as resefa/eyes.0"),
        (MAPPED, "resefa", "eyes.7", "eyes.0 to eyes.4, eyes.0.0 to eyes.4.0, eyes.0.1 to"),
        (MAPPED, "resefa", "eyes.0.3", "there is no direction resefa/eyes.0.3; resefa has"),
        (STRAIGHT, "resefa", "eyes.0", "resefa/eyes.0 needs a mapped latent space"),
        (STRAIGHT, "stylespace", "a.0", "stylespace/a.0 needs a mapped latent space"),
        (MAPPED, "gradient", "eye_are", "no direction gradient/eye_are; .*did you mean 'eye_area'"),
        (MAPPED, "pandas", "0", "no method 'pandas' of directions"),
    ],
)
def test_what_there_is_not_is_one_sentence_with_the_nearest(minis, name, method, key, said):
    with pytest.raises(PandaError, match=said) as error:
        find_direction(method, key, minis[name])
    assert "\n" not in str(error.value)


def test_regions_of_faces_are_for_generators_of_faces():
    generator = create_generator(FOLDER / "stylegan2-genforce/checkpoint.pth")
    with pytest.raises(PandaError, match="nothing says that .* makes faces; sefa/0 and ganspace/0"):
        find_direction("resefa", "eyes.0", generator)


def test_a_method_that_finds_none_names_one_that_does(minis, monkeypatch):
    monkeypatch.setattr(lowrankgan, "sensitivities", lambda *settings: [])
    with pytest.raises(PandaError, match="finds no direction: .*, and resefa/eyes.0 takes"):
        find_direction("lowrankgan", "eyes.0", minis[MAPPED])
