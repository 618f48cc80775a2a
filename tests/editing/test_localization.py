"""Concept maps on features made by hand: which coordinate, where, at which threshold."""

from dataclasses import replace

import pytest
import torch
from planted import planted

from panda import PandaError
from panda.editing.localize import concept_maps, enlarge, localize
from panda.factorization.thresholds import otsu
from panda.generators.contract import Layer


@pytest.fixture
def mixed():
    """Factors whose appearances, own axes and mean all differ, and features to look at."""
    factors, x, _ = planted()
    draw = torch.Generator().manual_seed(0)
    numbers = torch.randn(3 * 3 + 2 * 3 * 3 + 3, generator=draw)
    A, own, mean = torch.split(numbers, [9, 18, 3])
    return replace(factors, appearances=A.view(3, 3), own=own.view(2, 3, 3), mean=mean), x


@pytest.mark.parametrize("part", [0, 1])
def test_the_map_of_an_own_appearance_is_its_coordinate(mixed, part):
    factors, x = mixed
    maps, _ = localize(factors, x, "p2", part=part)
    expected = (factors.own[part, 2][:, None, None] * x).sum(1)
    torch.testing.assert_close(maps, expected)


def test_the_mean_threshold_is_the_coordinate_of_the_mean_feature(mixed):
    factors, x = mixed
    maps, where = localize(factors, x, 1, threshold="mean")
    assert torch.equal(where, maps >= factors.appearances[:, 1] @ factors.mean)
    background, where = localize(factors, x, "bg", threshold="mean")
    assert torch.equal(where, background >= factors.background_detector @ factors.mean)


def test_each_sample_has_a_threshold_of_its_own(mixed):
    factors, x = mixed
    x = x * torch.tensor([1.0, 10.0, -3.0]).view(3, 1, 1, 1)
    maps, where = localize(factors, x, 0)
    for row in range(3):
        assert torch.equal(where[row], maps[row] >= otsu(maps[row]))
        assert torch.equal(localize(factors, x[row : row + 1], 0)[1][0], where[row])


def test_maps_are_enlarged_before_they_are_split(mixed):
    factors, x = mixed
    maps, where = localize(factors, x, 0, size=24)
    assert maps.shape == where.shape == (3, 24, 24)
    torch.testing.assert_close(maps, enlarge(localize(factors, x, 0)[0], 24))
    assert torch.equal(where[1], maps[1] >= otsu(maps[1]))


def test_enlarged_maps_keep_places_and_values():
    ramp = torch.arange(8.0).expand(2, 8, 8)
    large = enlarge(ramp, 32)
    # Centers of positions stay where they are: 0 lies at 1.5 of 32, 1 at 5.5.
    assert large.shape == (2, 32, 32)
    torch.testing.assert_close(
        large[0, 7, 9:22], torch.arange(9.0, 22) / 4 - 3 / 8, atol=0.05, rtol=0
    )
    assert torch.equal(enlarge(ramp.mT, 32), large.mT)
    assert float(large.min()) < 0  # bicubic


def test_margins_are_cut_off():
    layer = Layer("l", 3, 8, 8, margin=2)
    x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    maps = concept_maps(layer, x, torch.tensor([1.0, -2.0, 0.5]))
    expected = x[:, 0] - 2 * x[:, 1] + 0.5 * x[:, 2]
    torch.testing.assert_close(maps, expected[:, 2:6, 2:6])


def test_a_threshold_that_there_is_not_is_one_sentence(mixed):
    factors, x = mixed
    with pytest.raises(PandaError, match=r"^there is no threshold 'men'; did you mean 'mean'\?$"):
        localize(factors, x, 0, threshold="men")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_best_split_of_otsu_is_that_of_all(dtype):
    """Its classes have the largest variance between them, up to the width of a bin."""
    draw = torch.Generator().manual_seed(0)
    values = torch.cat([torch.randn(300, generator=draw), 2.5 + torch.randn(100, generator=draw)])
    values = values.to(dtype)
    level = otsu(values)
    assert level.dtype == dtype

    def between(at):
        below, above = values[values < at], values[values >= at]
        return len(below) * len(above) * (below.mean() - above.mean()) ** 2

    best = max(values.tolist()[1:], key=lambda at: float(between(at)) if at > values.min() else 0)
    assert float(level) == pytest.approx(best, abs=2 * float(values.max() - values.min()) / 256)
    assert float(between(level)) > 0.998 * float(between(best))
    coarse = otsu(values, bins=4)
    edges = torch.linspace(float(values.min()), float(values.max()), 5)
    assert float((edges - coarse).abs().min()) == pytest.approx(0, abs=1e-5)


def test_the_sky_is_split_from_the_object_wherever_they_lie():
    factors, x, mask = planted()
    _, where = localize(factors, x.double(), "bg")
    assert torch.equal(where, ~mask.bool().expand(3, 8, 8))
