"""The rounds of the joint solver: starts, closed forms, orders, and when they end."""

import pytest
import torch

from panda import PandaError
from panda.factorization.linear_algebra import leading_eigenvectors, nystrom_axes
from panda.factorization.solvers import core as core_module
from panda.factorization.solvers import joint as joint_module
from panda.factorization.solvers.core import Core
from panda.factorization.solvers.joint import joint
from panda.factorization.solvers.quartic import Quartic
from panda.factorization.statistics import gather


def random(*shape, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=draw, dtype=torch.float64)


def positive(size, seed=0):
    half = random(size, size, seed=seed)
    return half @ half.T / size


def loss(n1, n2, A):
    return float(1 + Quartic(n1, n2)(A))


def test_the_loss_of_moments_is_that_of_the_quartic():
    n1, n2, A = 0.1 * positive(4), 0.1 * positive(4, 1), random(4, 4, seed=2)
    assert joint_module._loss(n1, n2, A) == pytest.approx(loss(n1, n2, A))
    assert joint_module._loss(n1, n2, A[:, :2]) == pytest.approx(loss(n1, n2, A[:, :2]))


def test_a_closed_form_that_is_not_positive_is_cut_off_and_said_not_to_be_the_best():
    axes = torch.linalg.qr(random(4, 4))[0]
    n2 = axes * torch.tensor([4.0, 3, 2, 1]).double() @ axes.T
    n1 = axes * torch.tensor([4.0, 3, 2, -1]).double() @ axes.T
    A, exact = joint_module._closed_form(n1, n2)
    assert not exact
    torch.testing.assert_close(
        A @ A.T, axes * torch.tensor([1.0, 1, 1, 0]).double() @ axes.T, atol=1e-12, rtol=0
    )
    n1 = axes * torch.tensor([4.0, 3, 2, -1e-7]).double() @ axes.T
    assert joint_module._closed_form(n1, n2)[1]  # below zero by rounding alone


def test_axes_without_energy_have_no_appearance():
    axes = torch.linalg.qr(random(4, 4))[0]
    n2 = axes * torch.tensor([4.0, 3, 1e-13, 0]).double() @ axes.T
    A, exact = joint_module._closed_form(n2, n2)
    assert exact
    torch.testing.assert_close(
        A @ A.T, axes * torch.tensor([1.0, 1, 0, 0]).double() @ axes.T, atol=1e-9, rtol=0
    )


def test_fewer_appearances_start_from_the_axes_with_most_energy():
    axes = torch.linalg.qr(random(6, 6))[0]
    n = axes * torch.tensor([9.0, 5, 4, 1, 0.5, 0.1]).double() @ axes.T
    A = joint_module._solve_appearances(n, n, 2, None)
    torch.testing.assert_close(A @ A.T, axes[:, :2] @ axes[:, :2].T, atol=1e-6, rtol=0)


def test_appearances_are_never_worse_than_their_start():
    n1, n2 = positive(5), positive(5, 1)
    begin = joint_module._solve_appearances(n1, n2, 2, None)
    for seed in range(5):
        start = begin + 0.01 * random(5, 2, seed=seed)
        solved = joint_module._solve_appearances(n1, n2, 2, start)
        assert loss(n1, n2, solved) <= loss(n1, n2, start) + 1e-12


def test_parts_are_sorted_by_the_energy_that_they_see():
    basis = torch.linalg.qr(random(9, 4))[0]
    P, m1 = random(9, 3, seed=1).abs(), positive(4, 2)
    energies = ((basis.T @ P) * (m1 @ basis.T @ P)).sum(0)
    assert torch.equal(
        joint_module._strongest_first(basis, P, m1), P[:, energies.argsort(descending=True)]
    )
    broken = P.clone()
    broken[3, 1] = torch.nan
    with pytest.raises(PandaError) as said:
        joint_module._strongest_first(basis, broken, m1)
    assert str(said.value) == ("the solver met NaN; the features hold values too large for float32")
    with pytest.raises(PandaError) as said:
        joint_module._strongest_first(basis, P * torch.tensor([1.0, 0, 0]).double(), m1)
    assert str(said.value) == (
        "2 of 3 parts came out all zero: these features have no more than 1 parts, ask for fewer"
    )


def test_appearances_are_turned_to_principal_axes_of_one_length_and_sign():
    A, n1 = random(5, 3), positive(5, 1)
    turned, scale = joint_module._canonical(A, n1)
    torch.testing.assert_close(turned @ turned.T, scale**2 * A @ A.T)
    assert float(turned.square().sum()) == pytest.approx(3)
    scatter = turned.T @ n1 @ turned
    torch.testing.assert_close(scatter, scatter.diag().diag(), atol=1e-10, rtol=0)
    assert (scatter.diag().diff() < 0).all()
    assert (turned.gather(0, turned.abs().argmax(0, keepdim=True)) > 0).all()
    with pytest.raises(PandaError, match="the solver met NaN"):
        joint_module._canonical(A * torch.inf, n1)


def test_rounds_end_where_the_loss_falls_by_less_than_the_tolerance(monkeypatch):
    Z = random(40, 5, 16).float()
    for tolerance in (1e-2, 1e-4, 1e-6):
        monkeypatch.setattr(joint_module, "TOLERANCE", tolerance)
        *trace, _ = joint(gather([Z], 40, 3), 5, 3).trace
        gains = [before - after for before, after in zip(trace, trace[2:], strict=False)][::2]
        assert len(trace) % 2 == 1 and all(gain >= tolerance for gain in gains[:-1])
        assert gains[-1] < tolerance
    assert len(trace) > 5


def test_a_start_that_is_given_is_where_the_solver_starts():
    Z = random(30, 5, 16).float()
    statistics = gather([Z], 30, 2)
    usual = joint(statistics, 5, 2)
    starts = [joint(statistics, 5, 2, random(16, 2, seed=seed).abs()) for seed in (1, 2)]
    assert usual.trace[0] != starts[0].trace[0] != starts[1].trace[0]
    again = joint(statistics, 5, 2, usual.parts)
    assert again.trace[-1] <= usual.trace[-1] + 1e-5 and len(again.trace) <= len(usual.trace)


def test_the_scatter_of_parts_is_that_of_their_final_scale():
    Z = random(30, 5, 16).float()
    solution = joint(gather([Z], 30, 2), 5, 2)
    columns = (Z @ solution.parts).double()
    away = columns - columns.mean(0)
    expected = torch.einsum("ncp,ndp->pcd", away, away)
    torch.testing.assert_close(solution.scatter, expected, rtol=1e-3, atol=1e-3)
    assert solution.parts.dtype == solution.appearances.dtype == torch.float32


def test_the_channel_axes_are_those_of_what_the_parts_see():
    axes = torch.linalg.qr(random(12, 12))[0]
    strength = torch.tensor([9.0, 7, 5, 3] + [0.01] * 8).double()
    Z = (axes * strength @ random(40, 12, 16)).float()
    Z[:, :, 8:] = 50 * random(40, 12, 8).float()  # which the parts do not see
    P = torch.zeros(16, 2).double()
    P[:4, 0] = P[4:8, 1] = 1
    statistics = gather([Z], 40, 2)
    found = joint_module._channel_axes(statistics, statistics.basis.double().T @ P, 4)
    assert found.shape == (12, 4)
    inside = found.T @ axes[:, :4]
    torch.testing.assert_close(inside @ inside.T, torch.eye(4).double(), atol=1e-3, rtol=0)


def test_numbers_of_a_core_keep_their_units():
    """Channels of very different sizes are rounded each by its own norm."""
    units = torch.tensor([1e-6, 1.0, 1e6, 3.0])[:, None]
    Z = units * random(20, 4, 16).float()
    statistics = gather([Z], 20, 2)
    components = torch.linalg.qr(random(16, 5))[0]
    core = Core.of(statistics, torch.eye(4).double(), components)
    small = Z.double() @ statistics.basis.double() @ components
    rows, columns = torch.triu_indices(4, 4)
    for row, column, products in zip(rows, columns, core.table, strict=True):
        both = torch.einsum("nk,nl->kl", small[:, row], small[:, column]) / statistics.energy
        expected = (both + both.T) / 2
        error = (products.view(5, 5) - expected).abs().max() / expected.abs().max()
        assert float(error) < 1e-5


@pytest.mark.parametrize("block", [1, 3, 8, 100])
def test_small_blocks_are_joined_to_large_ones(monkeypatch, block):
    monkeypatch.setattr(core_module, "BLOCK", block)
    blocks = [random(n, 2, 3, seed=n).float() for n in (2, 2, 3, 1)]
    large = list(core_module._large_blocks(blocks))
    assert torch.equal(torch.cat(large), torch.cat(blocks).flatten(1).double())
    assert all(len(one) >= block for one in large[:-1])
    assert len(large) == {1: 4, 3: 3, 8: 1, 100: 1}[block]


def test_lanczos_is_used_for_large_matrices_alone(monkeypatch):
    def unused(*_, **__):
        raise AssertionError("Lanczos")

    monkeypatch.setattr("scipy.sparse.linalg.eigsh", unused)
    matrix = positive(20).numpy()
    values, vectors = leading_eigenvectors(matrix, 5)
    assert values.shape == (5,) and vectors.shape == (20, 5)
    assert abs(matrix @ vectors - vectors * values).max() < 1e-9
    assert (values[:-1] >= values[1:]).all()
    assert leading_eigenvectors(0 * positive(30).numpy(), 2)[0].tolist() == [0, 0]
    with pytest.raises(AssertionError, match="Lanczos"):
        leading_eigenvectors(positive(21).numpy(), 5)


def test_where_lanczos_fails_the_whole_problem_is_solved(monkeypatch):
    from scipy.sparse.linalg import ArpackNoConvergence

    def fails(*_, **__):
        raise ArpackNoConvergence("no convergence", [], [])

    monkeypatch.setattr("scipy.sparse.linalg.eigsh", fails)
    matrix = positive(40).numpy()
    values, vectors = leading_eigenvectors(matrix, 3)
    assert abs(matrix @ vectors - vectors * values).max() < 1e-9


def test_products_of_few_directions_have_no_other_axes():
    axes = torch.linalg.qr(random(9, 9))[0]
    matrix = axes[:, :3] * torch.tensor([5.0, 2, 1]).double() @ axes[:, :3].T
    probes = torch.linalg.qr(random(9, 6, seed=1))[0]
    found = nystrom_axes((matrix @ probes).float().double(), probes, 3)
    torch.testing.assert_close(
        (found.T @ axes[:, :3]).abs(), torch.eye(3).double(), atol=1e-5, rtol=0
    )
