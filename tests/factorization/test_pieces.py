"""The pieces of a fit, each against its definition, on small random numbers."""

import pytest
import torch

from panda import Layer
from panda.factorization import background
from panda.factorization.background import find_background
from panda.factorization.basis import _mix_channels, _random_signs, find_basis
from panda.factorization.describe import describe
from panda.factorization.linear_algebra import varimax
from panda.factorization.moments import STRIP, PartMoments
from panda.factorization.solvers import joint as joint_module
from panda.factorization.solvers.joint import Solution
from panda.factorization.statistics import _components, gather


def random(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def test_the_background_is_the_same_from_maps_and_their_coefficients():
    basis = torch.linalg.qr(random(144, 20))[0]
    coefficients = random(5, 7, 20, seed=1)
    coefficients[:, 0] += 9 * basis.view(12, 12, 20)[:4].sum((0, 1))
    features = coefficients @ basis.T
    mean = features.mean((0, 2))
    centered = coefficients - mean[:, None] * basis.sum(0)
    whole = find_background(features.view(5, 7, 12, 12) + 3)
    # The mean map may lie outside the basis, so both are compared as what the maps can show.
    shown = find_background((centered @ basis.T).view(5, 7, 12, 12))
    small = find_background(centered, basis.T.reshape(20, 12, 12))
    torch.testing.assert_close(small.appearance, shown.appearance, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(small.detector, shown.detector, rtol=1e-3, atol=1e-4)
    assert float(torch.cosine_similarity(whole.appearance, shown.appearance, dim=0)) > 0.99


def test_the_mean_of_maps_plays_no_part_in_the_background():
    """Coefficients are about centered; what is left, such as by margins, is no variation."""
    basis = torch.linalg.qr(random(9 * 16, 12))[0]
    coefficients = random(4, 5, 12, seed=1)
    coefficients[:, 0] += 9 * basis.view(9, 16, 12)[:3].sum((0, 1))
    coefficients[:, 2] += 40 * basis.sum(0)
    shown = find_background((coefficients @ basis.T).view(4, 5, 9, 16))
    small = find_background(coefficients, basis.T.reshape(12, 9, 16))
    torch.testing.assert_close(small.appearance, shown.appearance, rtol=1e-2, atol=1e-3)
    torch.testing.assert_close(small.detector, shown.detector, rtol=1e-2, atol=1e-3)


def test_the_detector_is_higher_by_one_and_the_appearance_is_a_difference_of_means():
    features = 0.1 * random(3, 5, 12, 12)
    sky = torch.zeros(12, 12, dtype=torch.bool)
    sky[:6] = True
    features[:, 1, sky] += 2
    features[:, 3, ~sky] -= 1
    found = find_background(features)
    coordinate = torch.einsum("c,nchw->nhw", found.detector, features)
    difference = coordinate[:, sky].mean() - coordinate[:, ~sky].mean()
    assert float(difference) == pytest.approx(1, abs=1e-4)
    expected = features[:, :, sky].mean((0, 2)) - features.mean((0, 2, 3))
    torch.testing.assert_close(found.appearance, expected, rtol=1e-4, atol=1e-5)


def test_clusters_share_no_points_that_are_far_apart():
    centers, sizes = torch.tensor([[0.0, 0, 0], [20, 0, 0], [0, 20, 5]]), [400, 60, 900]
    points = torch.cat(
        [center + random(n, 3, seed=n) for center, n in zip(centers, sizes, strict=True)]
    )
    labels = background._clusters(points)
    groups = [set(group.tolist()) for group in torch.split(labels, sizes)]
    assert sum(map(len, groups)) == len(set.union(*groups)) == background.CLUSTERS
    # Each point is in the cluster whose center is nearest, and centers are means.
    means = torch.stack([points[labels == label].mean(0) for label in range(6)])
    assert float((torch.cdist(points, means).argmin(1) == labels).float().mean()) > 0.97
    many = torch.cat([points] * 7)
    assert len(many) > background.POINTS
    labels = background._clusters(many)
    groups = [set(group.tolist()) for group in torch.split(labels[: len(points)], sizes)]
    assert sum(map(len, groups)) == len(set.union(*groups)) == background.CLUSTERS


def test_a_cluster_is_background_where_it_is_half_again_as_dense_in_the_corners():
    labels = torch.tensor([0] * 40 + [1] * 40 + [2] * 20)
    corners = torch.zeros(100, dtype=torch.bool)
    corners[:13] = corners[40:45] = corners[80:82] = True  # 0.65, 0.25 and 0.1 of the corners
    assert background._in_place(labels, corners).tolist() == [True] * 40 + [False] * 60
    corners[:] = True  # no cluster is denser: then the densest ones are
    assert background._in_place(labels, corners).all()


def test_random_signs_are_of_the_sample_alone():
    signs = _random_signs(3, 2, 50)
    assert set(signs.unique().tolist()) == {-1, 1} and signs.shape == (2, 50)
    assert torch.equal(signs, _random_signs(3, 2, 50))
    assert not torch.equal(signs, _random_signs(4, 2, 50))
    assert abs(float(_random_signs(0, 40, 50).mean())) < 0.1
    assert torch.equal(_random_signs(3, 5, 5), torch.eye(5))


@pytest.mark.parametrize("channels", [5, 128, 129, 300])
def test_channels_are_mixed_with_the_signs_of_each_sample(channels, monkeypatch):
    batch = random(3, channels, 4)
    if channels <= 128:
        assert _mix_channels(batch, 7) is batch
        return
    mixed = _mix_channels(batch.clone(), 7)
    assert mixed.shape == (3, 128, 4)
    for row in range(3):
        signed = batch[row] * _random_signs(7 + row, 1, channels).T
        expected = sum(
            torch.nn.functional.pad(part, (0, 0, 0, 128 - len(part)))
            for part in torch.split(signed, 128)
        )
        torch.testing.assert_close(mixed[row], expected)


def test_the_basis_is_of_the_first_samples_only():
    batches = {start: random(4, 6, 40, seed=start) for start in (0, 4, 8)}
    few = find_basis(batches, 6, batches[0], 10)
    batches[8] += 1000
    batches[4][2:] += 1000
    assert torch.equal(find_basis(batches, 6, batches[0], 10), few)
    torch.testing.assert_close(few.T @ few, torch.eye(10), atol=1e-5, rtol=0)
    torch.testing.assert_close(few[:, 0].abs(), torch.full((40,), 40**-0.5))


@pytest.mark.parametrize(
    ("parts", "positions", "limit", "components"),
    [
        (8, 4096, 10**9, 64),
        (4, 4096, 10**9, 64),
        (10, 4096, 10**9, 80),
        (40, 4096, 10**9, 160),
        (16, 4096, 10**9, 128),
        (20, 4096, 10**9, 128),
        (8, 85, 10**9, 85),
        (8, 86, 10**9, 64),
        (8, 64, 10**9, 64),
        (8, 16, 10**9, 16),
        (8, 4096, 50, 50),
        (8, 4096, 10, 32),
        (8, 20, 1, 20),
    ],
)
def test_the_basis_has_as_many_components_as_parts_and_memory_ask_for(
    parts, positions, limit, components
):
    assert _components(parts, positions, limit) == components


def gathered(channels=6, positions=30, count=40):
    Z = random(count, channels, positions)
    return Z, gather([Z], count, 3)


def test_moments_do_not_depend_on_strips():
    Z, statistics = gathered(channels=2 * STRIP + 3, positions=16, count=5)
    P = random(16, 2, seed=1).abs()
    moments = PartMoments.of(statistics, P)
    columns = (Z @ P).double()
    away = columns - columns.mean(0)
    torch.testing.assert_close(
        moments.scatter, torch.einsum("ncp,ndp->pcd", away, away), rtol=1e-4, atol=1e-3
    )
    gram = (P.T @ P).double()
    torch.testing.assert_close(
        moments.mixed, torch.einsum("ncp,pq,ndq->cd", away, gram, away), rtol=1e-4, atol=1e-2
    )
    torch.testing.assert_close(moments.mean, columns.mean(0), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(moments.gram, gram)
    assert moments.count == 5


@pytest.mark.parametrize("rank", [6, 2])
def test_coordinates_are_described_by_their_deviations(rank):
    Z, statistics = gathered()
    A, P = torch.linalg.qr(random(6, rank, seed=1))[0] * 2, random(30, 3, seed=2).abs()
    factors = describe("g", Layer("l", 6, 5, 6), Solution(A, P, ()), statistics, {"a": 1})
    pooled = Z @ (P / P.sum(0))  # the means over each part
    spread = torch.einsum("cr,ncp->nrp", A, pooled).std(0, correction=0)
    torch.testing.assert_close(factors.spread, spread, rtol=1e-3, atol=1e-4)
    for part in range(3):
        inside = pooled[:, :, part] @ torch.linalg.qr(A)[0]
        centered = inside - inside.mean(0)
        values = torch.linalg.eigvalsh(centered.T @ centered / 40).flip(0).clamp_min(0).sqrt()
        torch.testing.assert_close(factors.own_spread[part], values, rtol=1e-2, atol=1e-3)
        own = factors.own[part]
        torch.testing.assert_close(own @ own.T, torch.eye(rank), atol=1e-4, rtol=0)
        along = (pooled[:, :, part] @ own.T).std(0, correction=0)
        torch.testing.assert_close(along, values, rtol=1e-2, atol=1e-3)
        outside = own - own @ torch.linalg.qr(A)[0] @ torch.linalg.qr(A)[0].T
        assert outside.abs().max() < 1e-4  # the axes are inside the span of A
        assert rank < 6 or (own.gather(1, own.abs().argmax(1, keepdim=True)) > 0).all()
    outside = factors.background - A @ torch.linalg.lstsq(A, factors.background[:, None])[0][:, 0]
    assert outside.abs().max() < 1e-4
    assert factors.generator == "g" and factors.config["a"] == 1
    torch.testing.assert_close(factors.mean, Z.mean((0, 2)), atol=1e-5, rtol=1e-4)


def test_varimax_makes_columns_that_are_large_in_few_places():
    plain = torch.zeros(40, 3, dtype=torch.float64)
    for column in range(3):
        plain[10 * column : 10 * column + 12, column] = 1 + random(12, dtype=torch.float64).abs()
    turn = torch.linalg.qr(random(3, 3, dtype=torch.float64))[0]
    turned = varimax(plain @ turn)
    likeness = (torch.nn.functional.normalize(turned, dim=0).T @ plain / plain.norm(dim=0)).abs()
    assert (likeness.amax(0) > 0.99).all()


def test_parts_start_at_the_positive_side_of_each_component():
    where = torch.zeros(12, 3, dtype=torch.float64)
    for part in range(3):
        where[4 * part : 4 * part + 4, part] = 0.5
    basis = torch.linalg.qr(torch.cat([where, random(12, 4, dtype=torch.float64)], 1))[0]
    seen = basis.T @ where
    scatter = seen @ torch.diag(torch.tensor([3.0, 2.0, 1.0]).double()) @ seen.T
    P = joint_module._initial_parts(basis, scatter, 3)
    torch.testing.assert_close(P.norm(dim=0), torch.ones(3).double())
    assert (P >= 0).all() and ((where.T @ P).amax(1) > 0.99).all()


def test_a_moment_is_raised_only_where_it_is_below_the_floor():
    turn = torch.linalg.qr(random(4, 4, dtype=torch.float64))[0]
    values = torch.tensor([5.0, 1.0, 1e-13, -1e-3]).double()
    moment = turn * values @ turn.T
    expected = turn * torch.tensor([5.0, 1.0, 5e-10, 5e-10]).double() @ turn.T
    torch.testing.assert_close(joint_module._positive(moment), expected, atol=1e-14, rtol=1e-12)
    whole = turn * values.abs().clamp_min(0.1) @ turn.T
    assert torch.equal(joint_module._positive(whole), whole)
