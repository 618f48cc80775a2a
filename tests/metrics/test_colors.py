"""CIELAB, against values of the standard."""

import pytest
import torch

from panda.metrics.colors import lab, mean_color


def test_colors_have_the_coordinates_of_the_standard():
    colors = {
        (1.0, 1.0, 1.0): (100, 0, 0),
        (0.0, 0.0, 0.0): (0, 0, 0),
        (1.0, 0.0, 0.0): (53.24, 80.09, 67.20),
        (0.0, 0.0, 1.0): (32.30, 79.19, -107.86),
    }
    images = torch.tensor(list(colors))[:, :, None, None] * 2 - 1
    found = lab(images)[:, :, 0, 0].tolist()
    for one, expected in zip(found, colors.values(), strict=True):
        assert one == pytest.approx(expected, abs=0.03)


def test_the_mean_color_is_of_the_region_alone():
    images = torch.ones(2, 3, 4, 4)
    images[:, :, 2:] = -1
    inside = torch.zeros(2, 4, 4, dtype=torch.bool)
    inside[0, :2] = True
    found = mean_color(images, inside)
    assert found[0].tolist() == pytest.approx([100, 0, 0], abs=0.02)
    assert found[1].isnan().all()
