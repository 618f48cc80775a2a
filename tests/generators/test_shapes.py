"""Sizes (height, width) and channels of images, and what plugins said before there were sizes."""

import numpy as np
import pytest
import torch
from conftest import TinyGenerator

from panda import Card, PandaError
from panda.editing.localize import localize
from panda.factorization.fit import fit
from panda.generators.wrapper import Wrapper
from panda.shapes import as_channels, as_size, kind_of_images
from panda.weights import Weights

FACTS = {"license": "MIT", "origin": "here", "load": None}


@pytest.mark.parametrize("given", [(64, 48), [64, 48], np.array([64, 48]), torch.Size([64, 48])])
def test_a_size_is_two_numbers_in_any_form(given):
    assert as_size(given) == (64, 48)


def test_one_number_is_the_side_of_a_square():
    assert as_size(64) == as_size(np.int64(64)) == (64, 64)


@pytest.mark.parametrize("given", [0, (64, 0), -4, 1.5, (1,), (1, 2, 3), "64", None, (2.0, 2.0)])
def test_other_sizes_are_refused_in_a_sentence(given):
    with pytest.raises(PandaError, match="is not \\(height, width\\) in pixels"):
        as_size(given)


@pytest.mark.parametrize("given", [0, 2, 5, "3", None])
def test_other_channels_are_refused_in_a_sentence(given):
    with pytest.raises(PandaError, match="are not 1 \\(gray\\), 3 \\(RGB\\) or 4"):
        as_channels(given)


def test_images_are_described_in_words():
    assert kind_of_images((64, 128), 4) == "RGBA images of 64 x 128 pixels"


def test_a_card_takes_one_number_or_two():
    assert Card("A", "none", 64, **FACTS).size == (64, 64)
    wide = Card("A", "none", [32, 64], **FACTS, channels=1)
    assert (wide.size, wide.channels) == ((32, 64), 1)
    with pytest.raises(PandaError, match="channels 2"):
        Card("A", "none", 64, **FACTS, channels=2)


def test_a_card_with_resolution_still_works():
    with pytest.warns(DeprecationWarning, match=r"now Card\(size=...\), \(height, width\)"):
        card = Card("A", "none", resolution=64, **FACTS)
    assert card.size == (64, 64)
    with pytest.warns(DeprecationWarning, match="resolution is now size"):
        assert card.resolution == 64


def test_weights_with_resolution_still_work():
    with pytest.warns(DeprecationWarning, match=r"now Weights\(size=...\)"):
        weights = Weights("a", None, None, resolution=64)
    assert weights.size == (64, 64)


def test_a_plugin_whose_class_has_resolution_still_works():
    with pytest.warns(DeprecationWarning, match="Old has resolution; give it size = "):

        class Old(TinyGenerator):
            resolution = 64

    assert Old.size == (64, 64)


def test_a_plugin_that_computes_its_resolution_still_works():
    with pytest.warns(DeprecationWarning, match="Old has resolution"):

        class Old(TinyGenerator):
            def __init__(self):
                pass

            @property
            def resolution(self):
                return 4 * 8

    assert Old().size == (32, 32)


def test_a_plugin_that_sets_resolution_still_works():
    with pytest.warns(DeprecationWarning, match="Old sets resolution; set size = "):

        class Old(TinyGenerator):
            def __init__(self):
                self.resolution = 48

        generator = Old()
    assert generator.size == (48, 48)


def test_resolution_is_still_read_of_squares(tiny):
    with pytest.warns(DeprecationWarning, match="TinyGenerator.resolution is now size"):
        assert tiny.resolution == 16
    tiny.size = (16, 24)
    said = "16 x 24 pixels have no resolution; read size"
    with pytest.warns(DeprecationWarning), pytest.raises(PandaError, match=said):
        _ = tiny.resolution


def test_the_warning_is_of_the_line_that_is_to_change(tiny):
    with pytest.warns(DeprecationWarning) as caught:
        _ = tiny.resolution
        Card("A", "none", resolution=64, **FACTS)
    assert {warning.filename for warning in caught} == {__file__}


def test_concept_maps_still_take_a_resolution(tiny):
    factors = fit(tiny, "b", parts=2, seeds=8)
    x = tiny.head(tiny.sample(1), "b").x
    with pytest.warns(DeprecationWarning, match=r"now localize\(size=...\)"):
        maps, _ = localize(factors, x, 0, resolution=24)
    assert torch.equal(maps, localize(factors, x, 0, size=24)[0])
    assert localize(factors, x, 0, size=(24, 12))[0].shape == (1, 24, 12)


def test_a_wrapper_has_the_shape_of_what_it_wraps(tiny):
    tiny.size, tiny.channels = (16, 24), 1
    assert (Wrapper(tiny).size, Wrapper(tiny).channels) == ((16, 24), 1)


def test_a_generator_is_shown_with_its_size(tiny):
    tiny.size = (16, 24)
    assert "16 x 24, 3 layers" in repr(tiny)
