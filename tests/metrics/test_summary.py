"""Means with their intervals."""

import math

import pytest
import torch

from panda.metrics.summary import bootstrap, estimate, share


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_the_interval_of_many_samples_is_that_of_a_normal_distribution():
    values = draw(400)
    mean, low, high = bootstrap(values)
    assert mean == pytest.approx(float(values.mean()), abs=1e-6)
    expected = 1.96 * float(values.std()) / 20
    assert high - mean == pytest.approx(expected, rel=0.15)
    assert mean - low == pytest.approx(expected, rel=0.15)
    assert bootstrap(values) == bootstrap(values) != bootstrap(values, seed=1)
    assert estimate(values) == (mean, (high - low) / 2)


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    held = [low < 0 < high for k in range(200) for _, low, high in [bootstrap(draw(60, seed=k))]]
    assert 0.90 <= sum(held) / 200 <= 0.98  # 0.94 expected; three standard errors are 0.05


def test_fits_that_differ_widen_the_interval_as_samples_that_differ_do():
    samples, fits = draw(100), torch.linspace(-2, 2, 6)[:, None]
    alone = estimate(samples)[1]
    assert estimate(samples.expand(6, 100))[1] == pytest.approx(alone, rel=0.15)
    assert estimate(samples + fits)[1] > 2 * alone


def test_values_that_are_not_known_are_left_out():
    values = draw(50)
    holes = torch.cat([values, torch.full((50,), math.nan)])
    assert estimate(holes)[0] == pytest.approx(float(values.mean()), abs=1e-6)
    assert estimate(holes)[1] == pytest.approx(estimate(values)[1], rel=0.2)
    assert all(map(math.isnan, bootstrap(torch.full((3,), math.nan))))
    assert estimate(torch.tensor([2.0])) == (2.0, 0.0)


def test_the_interval_of_a_share_is_wilsons_and_no_point_where_all_are_true():
    mean, half = share(torch.tensor([1.0] * 13))
    assert mean == 1 and 2 * half == pytest.approx(1 - 0.7719, abs=1e-3)  # [0.772, 1]
    mean, half = share(torch.tensor([1.0] * 8 + [0.0] * 2))
    assert mean == 0.8 and 2 * half == pytest.approx(0.9433 - 0.4902, abs=1e-3)
