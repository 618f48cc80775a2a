"""Winograd's convolution against the definition."""

import pytest
import torch
import torch.nn.functional as F

from panda_plugins.common import winograd

pytestmark = pytest.mark.numeric


@pytest.mark.parametrize("workspace", [1, 1 << 13, 1 << 22], ids=["rows", "strips", "whole"])
@pytest.mark.parametrize(
    "shape", [(3, 4, 4), (2, 8, 6), (1, 2, 10), (2, 3, 5), (1, 7, 4), (1, 1, 1)]
)
def test_it_equals_the_definition_however_the_work_is_split(shape, workspace, monkeypatch):
    monkeypatch.setattr(winograd, "CHANNELS", 1)
    monkeypatch.setattr(winograd, "WORKSPACE", workspace)
    count, height, width = shape
    x, scale = torch.randn(count, 5, height, width), torch.rand(count, 5)
    weight = torch.randn(7, 5, 3, 3)
    kernel = winograd.transform(weight)
    before = x.clone()
    torch.testing.assert_close(
        winograd.conv3x3(x, kernel), F.conv2d(x, weight, padding=1), atol=1e-4, rtol=0
    )
    torch.testing.assert_close(
        winograd.conv3x3(x, kernel, scale),
        F.conv2d(x * scale[:, :, None, None], weight, padding=1),
        atol=1e-4,
        rtol=0,
    )
    assert torch.equal(x, before)


def test_narrow_layers_are_left_to_the_direct_convolution():
    assert winograd.transform(torch.zeros(512, 16, 3, 3)) is None
