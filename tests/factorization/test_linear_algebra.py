"""Eigenvectors, their signs, and range finders."""

import pytest
import torch

from panda.factorization.linear_algebra import (
    eigenvectors,
    fix_signs,
    nystrom_axes,
    range_finder,
)


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_the_largest_entry_is_positive_whatever_the_sign_was(dim):
    vectors = random(5, 7)
    signs = random(1, 7).sign() if dim == 0 else random(5, 1).sign()
    fixed = fix_signs(vectors, dim)
    assert torch.equal(fix_signs(vectors * signs, dim), fixed)
    assert torch.equal(fixed.abs(), vectors.abs())
    assert bool((fixed.amax(dim) >= -fixed.amin(dim)).all())


def test_vectors_of_zeros_stay_zeros():
    assert not fix_signs(torch.zeros(3, 4)).any()


def test_the_largest_eigenvalue_comes_first():
    matrix = random(6, 6)
    matrix = matrix @ matrix.T
    values, vectors = eigenvectors(matrix)
    assert bool((values.diff() <= 0).all())
    torch.testing.assert_close(vectors * values @ vectors.T, matrix)


@pytest.mark.parametrize("orthonormalize", [True, False])
@pytest.mark.parametrize("powers", [0, 1, 2])
def test_a_range_is_found_in_each_of_many_matrices(powers, orthonormalize):
    matrices = random(3, 20, 4) @ random(3, 4, 30, seed=1)
    basis = range_finder(matrices, 4, powers, orthonormalize=orthonormalize)
    assert basis.shape == (3, 30, 4)
    torch.testing.assert_close(basis.mT @ basis, torch.eye(4).double().expand(3, 4, 4))
    torch.testing.assert_close(matrices @ basis @ basis.mT, matrices)


def test_power_iterations_come_nearer_to_the_leading_vectors():
    rows = random(60, 40) * torch.logspace(0, -1, 40).double()
    least = torch.linalg.svdvals(rows)[8:].square().sum()

    def lost(powers):
        basis = range_finder(rows, 8, powers)
        return float((rows - rows @ basis @ basis.T).square().sum() / least)

    assert 1 <= lost(3) < lost(1) < lost(0)
    assert lost(3) < 1.05


def test_axes_known_by_products_are_the_eigenvectors():
    spectrum = torch.logspace(0, -3, 12).double()
    axes = torch.linalg.qr(random(12, 12))[0]
    matrix = axes * spectrum @ axes.T
    probes = torch.linalg.qr(random(12, 12, seed=1))[0]
    result = nystrom_axes(matrix @ probes, probes, 5)
    torch.testing.assert_close(fix_signs(result, 0), fix_signs(axes[:, :5], 0))
