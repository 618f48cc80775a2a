"""Factors in a Python session or a notebook: how they look, compare, and what they take."""

import base64
import dataclasses
import importlib
import io
import pkgutil
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

import panda.factorization
from panda import Layer, PandaError
from panda.factorization.factors import Factors
from panda.factorization.fit import fit


@pytest.fixture(scope="module")
def factors():
    from conftest import TinyGenerator

    return fit(TinyGenerator(), "b", parts=4, appearances=6, seeds=range(60))


def test_repr_is_one_line(factors):
    assert repr(factors) == (
        f"Factors(4 parts, 6 appearances, b [12, 8, 8] of tiny, loss {factors.loss:.3f})"
    )
    imported = replace(factors, config={"trace": []})
    assert repr(imported) == "Factors(4 parts, 6 appearances, b [12, 8, 8] of tiny)"


def corner_parts(factors, layer=None):
    """The factors with a part in each corner of 8 x 8 positions."""
    parts = torch.zeros(4, 8, 8)
    for part, (y, x) in enumerate([(0, 0), (0, 4), (4, 0), (4, 4)]):
        parts[part, y : y + 4, x : x + 4] = 1
    return replace(factors, parts=parts.flatten(1).T, layer=layer or factors.layer)


def test_parts_are_shown_in_colors_of_their_own(factors):
    picture = corner_parts(factors).show(size=64)
    assert picture.size == (64, 64)
    colors = [picture.getpixel(place) for place in [(8, 8), (56, 8), (8, 56), (56, 56)]]
    assert len(set(colors)) == 4
    assert all(max(color) > 150 for color in colors)


def test_parts_are_shown_over_a_picture_or_an_image(factors):
    parts = replace(factors, parts=torch.eye(64)[:, :4] + 1e-3)  # which cover very little
    white = Image.new("RGB", (30, 30), "white")
    for over in (white, torch.ones(3, 16, 16)):
        assert parts.show(over, size=64).getpixel((60, 60)) == (255, 255, 255)
    assert parts.show(size=64).getpixel((60, 60)) == (0, 0, 0)


def test_margins_are_not_shown(factors):
    wide = Layer("b", 12, 8, 8, margin=3)
    picture = corner_parts(factors, wide).show(size=64)
    whole = corner_parts(factors).show(size=64)
    # Two by two positions are in the image, one of each part: they blend at once.
    assert picture.getpixel((4, 4)) == whole.getpixel((4, 4))
    assert picture.getpixel((30, 4)) != whole.getpixel((24, 4))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"size": 0}, "size is 0, expected a number of pixels"),
        ({"size": 2.5}, "size is 2.5, expected a number of pixels"),
        ({"over": "face.png"}, "over is 'face.png', expected a picture or an image"),
        ({"over": torch.zeros(2, 3, 8, 8)}, "shape .2, 3, 8, 8., expected one image"),
    ],
)
def test_what_cannot_be_shown_is_one_sentence(factors, arguments, sentence):
    with pytest.raises(PandaError, match=sentence):
        factors.show(**arguments)


def test_notebooks_show_the_parts_with_their_names(factors):
    names = {"parts": [{"name": name} for name in ("hair", "eyes <", "nose", "mouth")]}
    named = replace(corner_parts(factors), config={**factors.config, "names": names})
    page = named._repr_html_()
    assert repr(factors) in page
    assert "0 hair" in page and "1 eyes &lt;" in page
    data = re.search(r"data:image/png;base64,([^\"]+)", page)[1]
    picture = Image.open(io.BytesIO(base64.b64decode(data)))
    assert picture.tobytes() == named.show().tobytes()
    assert "&nbsp;3</div>" in factors._repr_html_()  # a number alone, before there are names


def test_the_legend_has_the_colors_of_the_picture(factors):
    page = corner_parts(factors)._repr_html_()
    hues = [float(hue) for hue in re.findall(r"hsl\((\d+) ", page)]
    picture = corner_parts(factors).show(size=64).convert("HSV")
    shown = [picture.getpixel(place)[0] for place in [(8, 8), (56, 8), (8, 56), (56, 56)]]
    assert [hue * 256 / 360 for hue in hues] == pytest.approx(shown, abs=2)


def test_factors_compare_and_hash_by_identity(factors):
    other = replace(factors)
    assert factors == factors and factors != other
    assert {factors: 1, other: 2}[other] == 2
    assert factors in [other, factors]


def dataclasses_of_tensors():
    for module in pkgutil.walk_packages(panda.factorization.__path__, "panda.factorization."):
        for value in vars(importlib.import_module(module.name)).values():
            if dataclasses.is_dataclass(value) and value.__module__ == module.name:
                kinds = [str(field.type) for field in dataclasses.fields(value)]
                if any("Tensor" in kind for kind in kinds):
                    yield value


@pytest.mark.parametrize("kind", list(dataclasses_of_tensors()), ids=lambda kind: kind.__name__)
def test_no_dataclass_of_tensors_compares_them(kind):
    assert kind.__eq__ is object.__eq__
    assert kind.__hash__ is object.__hash__


def test_vectors_are_had_by_numbers_of_any_library(factors):
    expected, spread = factors.vector(2, (1,))
    for number in (np.int64, torch.tensor):
        for parts in (number(1), [number(1)], "1"):
            vector, deviation = factors.vector(number(2), parts)
            assert torch.equal(vector, expected) and deviation == spread
    assert factors.vector(2)[1] == pytest.approx(float(factors.spread[2].mean()))


@pytest.mark.parametrize(
    ("appearance", "parts", "sentence"),
    [
        (6, (), "appearance 6: these factors have appearances 0 to 5"),
        (-1, (), "appearance -1: these factors have appearances 0 to 5"),
        (1.0, (), "appearance 1.0: these factors have appearances 0 to 5"),
        (None, (), "appearance None: these factors"),
        ([0], (), "these factors have appearances 0 to 5"),
        ("p9", (0,), "expected one part and p0 to p5, or bg, or a number"),
        ("p0", (), "expected one part and p0 to p5, or bg, or a number"),
        ("p0", (0, 1), "expected one part and p0 to p5, or bg, or a number"),
        ("hat", (0,), "appearance 'hat' of parts .0.: expected one part"),
        ("bg", (4,), "part 4: these factors have parts 0 to 3"),
        (0, None, "parts None: expected whole numbers"),
    ],
)
def test_appearances_that_do_not_exist_are_one_sentence(factors, appearance, parts, sentence):
    with pytest.raises(PandaError, match=sentence):
        factors.vector(appearance, parts)


def test_arrays_are_transformed_like_tensors(factors, tiny):
    x = tiny.head(tiny.sample(range(3)), "b").x
    coordinates = factors.transform(x)
    assert torch.equal(factors.transform(x.numpy()), coordinates)
    torch.testing.assert_close(factors.transform(x.double()).float(), coordinates)
    assert factors.transform((9 * x).int()).dtype == torch.float32
    assert torch.equal(
        factors.inverse_transform(coordinates.numpy()), factors.inverse_transform(coordinates)
    )
    back = factors.inverse_transform(coordinates.double())
    assert back.dtype == torch.float64
    torch.testing.assert_close(back.float(), factors.inverse_transform(coordinates))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (torch.zeros(12, 8, 8), r"shape \[12, 8, 8\], expected \[N, 12, 8, 8\]"),
        (torch.zeros(1, 12, 64), r"expected \[N, 12, 8, 8\]"),
        (3, r"expected \[N, 12, 8, 8\]"),
        (None, "features are None, expected a tensor"),
        ("x", "features are 'x', expected a tensor"),
    ],
)
def test_features_of_another_shape_are_one_sentence(factors, given, sentence):
    with pytest.raises(PandaError, match=sentence):
        factors.transform(given)


def test_coordinates_of_another_shape_are_one_sentence(factors):
    with pytest.raises(PandaError, match=r"coordinates have shape \[6, 4\], expected \[N, 6, 4\]"):
        factors.inverse_transform(torch.zeros(6, 4))


def test_folders_are_text_or_paths(factors, tmp_path):
    assert factors.save(str(tmp_path / "f")) == tmp_path / "f"
    assert torch.equal(Factors.load(str(tmp_path / "f")).parts, factors.parts)
    Factors.check_folder(str(tmp_path / "f"))
    for call in (factors.save, Factors.load, Factors.check_folder):
        with pytest.raises(PandaError, match="the folder of factors is 3, expected the path"):
            call(3)


def test_devices_are_text_too(factors):
    assert factors.to("cpu").parts.device == torch.device("cpu")
    for device in ("toaster", 1.5, None):
        with pytest.raises(PandaError, match="device .* cannot be used"):
            factors.to(device)
