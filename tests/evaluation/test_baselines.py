"""What directions know that no factorization made, on planted features."""

import torch

from panda import Layer
from panda.evaluation.baselines import (
    best_of,
    both_signs,
    principal_directions,
    random_directions,
)
from panda.metrics.roir import SIZE

LAYER = Layer("a", 6, 10, 10, margin=1)


def planted(count=8):
    """Features in which channel 2 is low in the upper half of the image, and their true masks."""
    draw = torch.Generator().manual_seed(0)
    features = torch.randn(count, 6, 10, 10, generator=draw)
    features[:, 2, :5] -= 20
    features[:, :, [0, -1]] = 1e4  # the margins are not looked at
    truth = torch.zeros(1, count, SIZE, SIZE, dtype=torch.bool)
    truth[0, :, : SIZE // 2] = True
    return features, truth


def test_a_planted_direction_is_the_first_principal_axis_and_beats_random_ones():
    features, truth = planted()
    axes = principal_directions(LAYER, features, 3)
    assert float(axes[2, 0].abs()) > 0.99
    assert torch.allclose(axes.T @ axes, torch.eye(3), atol=1e-5)
    fits = both_signs(LAYER, features, axes, truth)
    assert fits.shape == (1, 3, 2, 8)
    best, sign = best_of(fits[0])
    assert best == 0 and sign * float(axes[2, 0]) < 0  # it is low where the truth is
    assert (
        float(fits[0, 0].max(0).values.mean()) > 0.9 > 0.6 > float(fits[0, 0].min(0).values.mean())
    )
    assert (random_directions(6, 5) == random_directions(6, 5)).all()
    assert not (random_directions(6, 5) == random_directions(6, 5, seed=1)).any()
    assert torch.allclose(random_directions(6, 5).norm(dim=0), torch.ones(5))


def test_directions_whose_concept_is_in_no_image_are_not_preferred():
    fits = torch.full((3, 2, 4), torch.nan)
    fits[1, 1] = 0.2
    assert best_of(fits) == (1, -1.0)
