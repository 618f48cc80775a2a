import numpy as np
import pytest
import torch
from conftest import golden

from panda import PandaError
from panda.editing.apply import direction
from panda.editing.edits import Edit
from panda.factorization.factors import Factors
from panda.factorization.solvers import paper
from panda.generators.contract import Layer

LEARNING_RATE = 1e-5


@pytest.fixture(scope="module")
def expected():
    return golden("panda-decompose")


def start(expected):
    Z = expected["Z"].flatten(2)
    return expected["Uc_init_full"][:, :16], expected["Us_init"], Z


@pytest.mark.parametrize("steps", [1, 2, 10, 100])
def test_factors_equal_the_released_codes(expected, steps):
    A, P, Z = start(expected)
    A, P = paper.decompose(A, P, [Z] * steps, LEARNING_RATE)
    assert (A - expected[f"Uc_{steps}"]).abs().max() < 1e-5
    assert (P - expected[f"Us_{steps}"]).abs().max() < 1e-5


def test_the_start_equals_the_released_codes(expected):
    A, P = paper.initial_factors(expected["scatter"], 64, (16, 4))
    assert (P - expected["Us_init"]).abs().max() < 1e-7
    released = expected["Uc_init_full"][:, :16]  # the signs of singular vectors are arbitrary
    assert (A.abs() - released.abs()).abs().max() < 1e-4


@pytest.mark.parametrize("steps", [1, 10, 50])
def test_refined_parts_equal_the_released_codes(expected, steps):
    Z = expected["refine_Z"].flatten(2)
    P = paper.refine_by_gradient(expected["Uc_100"], expected["Us_100"], Z, LEARNING_RATE, steps)
    assert (P - expected[f"refine_Us_{steps}"]).abs().max() < 1e-5


def test_an_edit_direction_equals_the_released_codes(expected):
    A, P = expected["Uc_100"], expected["Us_100"]
    empty = torch.zeros(16, 4)
    factors = Factors("golden", Layer("4", 32, 8, 8), A, P, *[empty] * 6, {})
    change = direction(factors, [Edit((0, 2), 1, 5.0)])
    assert (change - expected["edit_direc"]).abs().max() < 1e-5


def test_gradients_are_those_of_the_loss():
    torch.manual_seed(0)
    A, P, Z = torch.randn(6, 4).double(), torch.rand(9, 3).double(), torch.randn(5, 6, 9).double()
    A.requires_grad_()
    P.requires_grad_()
    loss = (Z - A @ (A.T @ Z @ P) @ P.T).square().sum()
    loss.backward()
    assert torch.allclose(paper.appearances_gradient(A.detach(), P.detach(), Z), A.grad)
    assert torch.allclose(paper.parts_gradient(A.detach(), P.detach(), Z), P.grad)


@pytest.mark.parametrize(("rate", "said"), [(1.0, "diverged"), (3e-4, "fell to all zero")])
def test_a_learning_rate_too_large_is_an_error_that_names_a_smaller_one(expected, rate, said):
    A, P, Z = start(expected)
    with pytest.raises(PandaError, match=said) as caught:
        paper.decompose(A, P, [Z] * 100, rate)
    assert f"try {rate / 10:g}" in str(caught.value)


def test_released_npy_factors_round_trip(tmp_path, tiny):
    from panda.factorization.fit import import_released

    rng = np.random.default_rng(0)
    np.save(tmp_path / "Uc.npy", np.linalg.qr(rng.standard_normal((12, 6)))[0].astype(np.float32))
    np.save(tmp_path / "Us.npy", rng.uniform(0, 1, (64, 3)).astype(np.float32))
    factors = import_released(tiny, "b", tmp_path / "Uc.npy", tmp_path / "Us.npy", seeds=range(20))
    assert torch.equal(factors.parts, torch.from_numpy(np.load(tmp_path / "Us.npy")))
    assert torch.equal(factors.appearances, torch.from_numpy(np.load(tmp_path / "Uc.npy")))
    with pytest.raises(PandaError, match="64 positions, but tiny c has 12 and 256"):
        import_released(tiny, "c", tmp_path / "Uc.npy", tmp_path / "Us.npy")


def test_a_pickled_npy_is_refused(tmp_path, tiny):
    from panda.files.npy import read_npy

    np.save(tmp_path / "bad.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(PandaError, match=r"not a plain \.npy"):
        read_npy(tmp_path / "bad.npy")


def test_imported_factors_with_an_all_zero_part_are_refused(tmp_path, tiny):
    from panda.factorization.fit import import_released

    np.save(tmp_path / "Uc.npy", np.eye(12, dtype=np.float32))
    np.save(tmp_path / "Us.npy", np.zeros((64, 3), dtype=np.float32))
    with pytest.raises(PandaError, match="an all-zero part"):
        import_released(tiny, "b", tmp_path / "Uc.npy", tmp_path / "Us.npy")
