"""How much changes inside and outside a mask, in every unit in which it is measured."""

import builtins

import pytest
import torch

from panda import PandaError
from panda.metrics.changes import change, sums
from panda.metrics.efficientnet import import_timm
from panda.metrics.fid import FeatureMoments
from panda.metrics.lpips import outside
from panda.metrics.matching import Matched
from panda.metrics.roir import measure


def half(size=4):
    mask = torch.zeros(size, size)
    mask[:, : size // 2] = 1
    return mask


def test_sums_split_all_there_is_by_bool_or_weights():
    values = torch.rand(3, 4, 4, dtype=torch.float64)
    inside, outside = sums(values, half().bool())
    torch.testing.assert_close(inside, values[:, :, :2].sum((1, 2)))
    torch.testing.assert_close(inside + outside, values.sum((1, 2)))
    quarter, rest = sums(values, half()[None].expand(3, -1, -1) / 4)
    torch.testing.assert_close(quarter, inside / 4)
    torch.testing.assert_close(rest, values.sum((1, 2)) - inside / 4)


def test_a_change_is_a_share_of_the_range_inside_and_outside():
    before, after = torch.full((1, 3, 4, 4), -1.0), torch.full((2, 3, 4, 4), -1.0)
    after[0, :, :, :2] = 1  # from black to white inside
    after[1, 0] = 0  # half of the range everywhere, in one of three channels
    for where in (half(), half().expand(2, -1, -1), 7 * half() - 3):  # weights are clamped
        inside, outside = change(before, after, where)
        assert inside.tolist() == pytest.approx([1, 1 / 6])
        assert outside.tolist() == pytest.approx([0, 1 / 6])
    inside, outside = change(before, after, torch.zeros(4, 4))
    assert inside.tolist() == [0, 0]  # nothing is inside
    assert outside.tolist() == pytest.approx([0.5, 1 / 6])


def test_all_measures_split_the_same_way():
    before = torch.zeros(2, 3, 4, 4)
    after = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    region = half().bool().expand(2, -1, -1)
    square = after.double().square().sum(1)
    found = measure(before, after, region)
    torch.testing.assert_close(found.inside, square[:, :, :2].sum((1, 2)))
    torch.testing.assert_close(found.outside, square[:, :, 2:].sum((1, 2)))
    maps = after[:, 0]
    torch.testing.assert_close(outside(maps, region), maps[:, :, 2:].mean((1, 2)))
    assert outside(maps, torch.ones_like(region)).tolist() == [0, 0]


def test_measures_can_be_compared_and_hashed():
    images, region = torch.rand(2, 3, 4, 4), half().bool().expand(2, -1, -1)
    measured = [measure(images, images + 1, region) for _ in range(2)]
    moments = [FeatureMoments.of(torch.rand(5, 3)) for _ in range(2)]
    matched = [Matched(images, images[:, 0, 0, 0], measured[0], torch.ones(2)) for _ in range(2)]
    for one, other in (measured, moments, matched):
        assert one == one and one != other
        assert len({one, other}) == 2


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ModuleNotFoundError("No module named 'timm'", name="timm"), "needs timm; run pip install"),
        (
            RuntimeError("operator torchvision::nms does not exist"),
            "operator torchvision::nms does not exist.*pip install --force-reinstall torch",
        ),
        (ImportError("libcudart.so: cannot open"), "libcudart.* is not built for torch 2"),
    ],
)
def test_without_a_torchvision_that_fits_the_install_command_is_named(monkeypatch, error, said):
    usual = builtins.__import__

    def refuse(name, *rest):
        if name == "timm":
            raise error
        return usual(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(PandaError, match=said):
        import_timm()
