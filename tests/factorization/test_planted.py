"""What a fit finds in features made by hand, where the right values are known."""

import pytest
import torch
from torch.nn.functional import normalize

from panda.factorization.background import find_background, look_mask
from panda.factorization.fit import fit
from panda.factorization.solvers import refine
from panda.factorization.solvers.joint import joint
from panda.factorization.solvers.quartic import Quartic, descend_appearances, descend_parts
from panda.factorization.statistics import gather


def quarters(strengths: tuple[float, ...], channels: int = 10, side: int = 8) -> torch.Tensor:
    """Return 60 samples ``[60, C, S]`` whose quarters have random features of these strengths."""
    draw = torch.Generator().manual_seed(0)
    half = side // 2
    where = torch.zeros(4, side, side)
    for part in range(4):
        top, left = half * (part // 2), half * (part % 2)
        where[part, top : top + half, left : left + half] = strengths[part]
    features = torch.randn(60, channels, 4, generator=draw) @ where.flatten(1)
    return features + 0.05 * torch.randn(features.shape, generator=draw)


@pytest.mark.parametrize("strengths", [(4.0, 3.0, 2.0, 1.0), (1.0, 3.0, 2.0, 4.0)])
def test_the_strongest_part_comes_first(strengths):
    Z = quarters(strengths)
    parts = joint(gather([Z], len(Z), 4), 10, 4).parts
    energies = (Z @ normalize(parts, dim=0)).square().sum((0, 1))
    assert (energies.diff() < 0).all()
    peaks = [strengths[2 * (place // 32) + place % 8 // 4] for place in parts.argmax(0).tolist()]
    assert peaks == [4, 3, 2, 1]


@pytest.mark.parametrize("rank", [10, 3])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_appearances_have_unit_length_on_average_whatever_the_scale_of_the_features(rank, scale):
    Z = scale * quarters((4.0, 3.0, 2.0, 1.0))
    solution = joint(gather([Z], len(Z), 4), rank, 4)
    assert float(solution.appearances.square().sum()) == pytest.approx(rank, rel=1e-5)


def test_the_background_appearance_is_as_long_as_a_typical_feature(tiny):
    factors = fit(tiny, "b", parts=4, seeds=range(60))
    x = tiny.head(tiny.sample(range(60)), "b").x
    typical = x.square().sum(1).mean().sqrt()
    assert float(factors.background.norm()) == pytest.approx(float(typical), rel=1e-5)


def test_an_axis_that_hardly_varies_is_no_evidence_of_background():
    """Here it differs by 0.001 in the samples seen, where it varies by a millionth."""
    side = 12
    draw = torch.Generator().manual_seed(0)
    sky = torch.zeros(side, side)
    sky[:5] = 1
    features = torch.randn(4, 3, side, side, generator=draw) * torch.tensor([0.3, 0.3, 1e-6]).view(
        3, 1, 1
    )
    features = features + sky * torch.tensor([2.0, 0.0, 1e-3]).view(3, 1, 1)
    detector = find_background(features).detector
    features[:, 2] += 0.1 * torch.randn(4, side, side, generator=draw)
    maps = torch.einsum("c,nchw->nhw", detector, features)
    assert float(maps[:, sky.bool()].mean() - maps[:, ~sky.bool()].mean()) == pytest.approx(
        1, abs=0.1
    )
    assert float(maps[:, sky.bool()].std()) < 0.3


def test_the_corners_are_the_upper_third_of_the_outer_sixths():
    assert look_mask(6, 12).int().tolist() == [[1, 1, *[0] * 8, 1, 1]] * 2 + [[0] * 12] * 4
    assert look_mask(1, 1).tolist() == [[True]]


def test_the_mean_feature_is_exact_though_most_of_the_features_is_outside_the_basis():
    draw = torch.Generator().manual_seed(0)
    Z = 3 * torch.randn(20, 6, 400, generator=draw) + torch.arange(6.0)[:, None]
    gathered = gather([Z], 20, 4)
    assert gathered.basis.shape == (400, 64) and gathered.discarded > 0.1
    assert torch.allclose(gathered.mean, Z.mean((0, 2)), atol=1e-4)


def test_a_refinement_that_is_worse_is_not_kept(monkeypatch):
    """A sample whose descent went wrong keeps the global parts; the others get their own."""
    Z = quarters((4.0, 3.0, 2.0, 1.0))[:2]
    A, P = torch.eye(10), torch.rand(64, 4, generator=torch.Generator().manual_seed(0))
    better = refine.refine_parts(A, P, Z)
    assert not torch.equal(better[0], P) and not torch.equal(better[1], P)

    def wrong(quartic, start, *_):
        return torch.stack([better[0], start[1] + 5])

    monkeypatch.setattr(refine, "descend_parts", wrong)
    kept = refine.refine_parts(A, P, Z)
    assert torch.equal(kept[0], better[0]) and torch.equal(kept[1], P)


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("descend", [descend_parts, descend_appearances])
def test_a_descent_leaves_torch_as_many_threads_as_it_had(descend, two_threads):
    quartic, start = Quartic(torch.eye(3), torch.eye(3)), torch.ones(3, 2)
    descend(quartic, start, 1e-6, 5)
    assert torch.get_num_threads() == 2
    with pytest.raises(AttributeError):
        descend(None, start, 1e-6, 5)
    assert torch.get_num_threads() == 2
