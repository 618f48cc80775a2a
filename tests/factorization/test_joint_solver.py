import itertools

import pytest
import torch

from panda import PandaError
from panda.factorization.features import Features
from panda.factorization.fit import fit, reconstruction_loss
from panda.factorization.linear_algebra import varimax
from panda.factorization.solvers import core as core_module
from panda.factorization.solvers import joint as joint_module
from panda.factorization.solvers.core import Core, core_channels
from panda.factorization.solvers.joint import joint
from panda.factorization.solvers.quartic import Quartic, descend_appearances, descend_parts
from panda.factorization.statistics import gather

pytestmark = pytest.mark.numeric


def planted(samples=60, channels=10, size=8, parts=4, noise=0.05):
    """Features made of known disjoint parts with random appearances."""
    torch.manual_seed(0)
    where = torch.zeros(size, size, parts)
    half = size // 2
    for part in range(parts):
        row, column = divmod(part, 2)
        where[row * half : (row + 1) * half, column * half : (column + 1) * half, part] = 1
    where = where.view(size * size, parts) / half
    what = torch.randn(samples, channels, parts) * torch.arange(parts, 0, -1)
    return where, what @ where.T + noise * torch.randn(samples, channels, size * size)


def test_planted_parts_are_found():
    where, Z = planted()
    solution = joint(gather([Z], len(Z), 4), 10, 4)
    units = solution.parts / solution.parts.norm(dim=0)
    likeness = where.T @ units
    assert (likeness.amax(1) > 0.99).all()
    assert sorted(likeness.argmax(1).tolist()) == [0, 1, 2, 3]
    assert solution.trace[-1] < 0.05


@pytest.mark.parametrize("rank", [12, 5, 1])
def test_the_loss_never_rises_and_is_the_true_one(tiny, rank):
    factors = fit(tiny, "b", parts=5, appearances=rank, seeds=range(150))
    *trace, whole = factors.config["trace"]
    assert all(later <= earlier + 1e-6 for earlier, later in itertools.pairwise(trace))
    assert whole < trace[-1] + 1e-4  # all components, not only those of the core
    features = Features(tiny, tiny.layer("b"), range(150))
    exact = reconstruction_loss(factors.appearances, factors.parts, features)
    assert exact == pytest.approx(factors.loss, abs=1e-5)
    assert (factors.parts >= 0).all()


def test_it_beats_the_paper_rule_and_random_starts(tiny, monkeypatch):
    ours = fit(tiny, "b", parts=4, seeds=range(50)).loss
    released = fit(
        tiny, "b", parts=4, seeds=range(50), solver="paper", learning_rate=1e-3, steps=2000
    ).loss
    assert ours < released
    losses = []
    for seed in range(5):
        start = torch.rand(64, 4, generator=torch.Generator().manual_seed(seed)).double()
        monkeypatch.setattr(joint_module, "_initial_parts", lambda *_, s=start: s)
        losses.append(fit(tiny, "b", parts=4, seeds=range(50)).loss)
    assert ours <= min(losses) + 1e-3


@pytest.mark.parametrize("batch", [1, 7, 17, 64])
def test_the_batch_size_changes_nothing(tiny, batch):
    whole = fit(tiny, "c", parts=6, seeds=range(200), batch=200)
    pieces = fit(tiny, "c", parts=6, seeds=range(200), batch=batch)
    assert (whole.parts - pieces.parts).abs().max() < 1e-4
    assert (whole.appearances - pieces.appearances).abs().max() < 1e-3
    assert whole.loss == pytest.approx(pieces.loss, abs=3e-6)
    for name in ("background", "background_detector"):
        left, right = getattr(whole, name), getattr(pieces, name)
        assert (left - right).abs().max() < 1e-3 * left.abs().max()


def test_layers_larger_than_the_basis_are_compressed_without_harm(tiny):
    statistics = gather(Features(tiny, tiny.layer("c"), range(200)), 200, 6)
    assert statistics.basis.shape == (256, 64)
    assert torch.allclose(statistics.basis.T @ statistics.basis, torch.eye(64), atol=1e-4)
    assert 0 <= statistics.discarded < 0.05
    factors = fit(tiny, "c", parts=6, seeds=range(200))
    features = Features(tiny, tiny.layer("c"), range(200))
    exact = reconstruction_loss(factors.appearances, factors.parts, features)
    assert exact == pytest.approx(factors.loss, abs=1e-3)


def test_appearances_are_ordered_principal_axes_of_what_the_parts_see(tiny):
    factors = fit(tiny, "b", parts=4, seeds=range(100))
    Z = torch.cat(list(Features(tiny, tiny.layer("b"), range(100))))
    coordinates = (factors.appearances.T @ Z @ factors.parts).movedim(1, 0).flatten(1)
    scatter = coordinates @ coordinates.T
    off = scatter - scatter.diag().diag()
    assert off.abs().max() < 1e-3 * scatter.diag().max()
    assert (scatter.diag().diff() <= 1e-3 * scatter.diag().max()).all()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"parts": 0}, "0 parts were asked for; this layer has 8 x 8 positions, so 1 to 64"),
        ({"parts": 65}, "65 parts"),
        ({"appearances": 13}, "13 appearances were asked for; this layer has 12 channels"),
        ({"solver": "joined"}, "did you mean 'joint'"),
        ({"seeds": []}, "no seeds"),
    ],
)
def test_bad_requests_are_refused_with_the_valid_choice(tiny, options, said):
    with pytest.raises(PandaError, match=said):
        fit(tiny, "b", **options)


def test_an_unknown_layer_names_the_nearest(tiny):
    with pytest.raises(PandaError, match="valid: a, b, c"):
        fit(tiny, "zzz")


def test_nan_features_are_an_error_that_names_the_seed(tiny, monkeypatch):
    real = tiny.head

    def broken(latents, layer):
        state = real(latents, layer)
        for row, seed in enumerate(latents.seeds):
            if seed == 7:
                state.x[row, 0, 0, 0] = float("nan")
        return state

    monkeypatch.setattr(tiny, "head", broken)
    with pytest.raises(PandaError, match="NaN, infinite or huge .* features at b for seed 7"):
        fit(tiny, "b", seeds=range(20))


def test_all_zero_features_are_an_error(tiny, monkeypatch):
    real = tiny.head
    monkeypatch.setattr(
        tiny, "head", lambda z, layer: real(z, layer).with_features(real(z, layer).x * 0)
    )
    with pytest.raises(PandaError, match="every feature is zero"):
        fit(tiny, "b", seeds=range(20))


def test_an_all_zero_part_is_an_error_that_says_how_many_there_are():
    where, _ = planted()
    P = torch.cat([where, 0 * where[:, :1]], 1).double()
    basis = torch.eye(len(P)).double()
    with pytest.raises(PandaError, match="1 of 5 parts came out all zero: .* no more than 4"):
        joint_module._strongest_first(basis, P, basis)


def test_one_sample_one_part_one_appearance(tiny):
    factors = fit(tiny, "a", parts=1, appearances=1, seeds=[5])
    assert 0 <= factors.loss < 1


def test_varimax_is_a_rotation():
    torch.manual_seed(0)
    loadings = torch.randn(30, 4).double()
    rotated = varimax(loadings)
    assert torch.allclose(rotated @ rotated.T, loadings @ loadings.T)


def moments(size=6):
    torch.manual_seed(0)
    half = torch.randn(size, size).double()
    return half @ half.T


def test_the_gradient_is_that_of_the_quartic():
    torch.manual_seed(0)
    basis = torch.linalg.qr(torch.randn(9, 6).double())[0]
    for quartic, rows in (
        (Quartic(moments(), 2 * moments()), 6),
        (Quartic(moments(), moments(), basis), 9),
    ):
        X, step = torch.rand(rows, 2).double(), torch.randn(rows, 2).double()
        slope = float(quartic(X + 1e-6 * step) - quartic(X - 1e-6 * step)) / 2e-6
        assert float((quartic.gradient(quartic.at(X)) * step).sum()) == pytest.approx(
            slope, rel=1e-6
        )


def test_along_a_line_the_quartic_is_known_exactly():
    quartic, X = Quartic(moments(), 2 * moments()), torch.rand(6, 2).double()
    step = torch.randn(6, 2).double()
    along = quartic.along(quartic.at(X), quartic.at(step))
    for length in (-1.0, 0.5, 3.0):
        powers = torch.tensor([length**k for k in (1, 2, 3, 4)]).double()
        difference = float(quartic(X + length * step) - quartic(X))
        assert float(along @ powers) == pytest.approx(difference, rel=1e-6)


def test_descents_reach_the_known_optimum():
    # With M1 = M2 = M the best X is any orthonormal basis of the leading axes: f = - their sum.
    M = torch.diag(torch.tensor([5.0, 4.0, 1.0, 0.5, 0.2, 0.1])).double()
    torch.manual_seed(0)
    free = descend_appearances(Quartic(M, M), torch.rand(6, 2).double(), 1e-12, 200)
    assert float(Quartic(M, M)(free)) == pytest.approx(-9, abs=1e-5)
    # Under X >= 0 these axes are the best ones still: they are the first two unit vectors.
    parts = descend_parts(
        Quartic(M, M, torch.eye(6).double()), torch.rand(6, 2).double(), 1e-12, 200
    )
    assert (parts >= 0).all()
    assert float(Quartic(M, M)(parts)) == pytest.approx(-9, abs=1e-5)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_no_descent_ends_above_its_start(scale):
    torch.manual_seed(1)
    start = scale * torch.rand(6, 3).double()
    quartic = Quartic(moments(), moments() + torch.eye(6))
    assert quartic(descend_appearances(quartic, start, 1e-12, 200)) < quartic(start)
    bounded = Quartic(moments(), moments() + torch.eye(6), torch.eye(6).double())
    assert bounded(descend_parts(bounded, start, 1e-12, 200)) < bounded(start)


def test_the_closed_form_is_the_best_of_all_appearances():
    n1, n2 = moments(), moments() + torch.eye(6)
    A, exact = joint_module._closed_form(n1, n2)
    G = A @ A.T
    assert exact
    assert torch.allclose(G @ n2 + n2 @ G, 2 * n1)
    descended = descend_appearances(Quartic(n1, n2), A, 1e-12, 200)
    assert float(Quartic(n1, n2)(descended)) == pytest.approx(float(Quartic(n1, n2)(A)), abs=1e-9)


def test_the_core_loses_no_channel(tiny, monkeypatch):
    """Of 12 channels 4 stay as they are; the others count as one, and their energy is all there."""
    whole = fit(tiny, "b", parts=5, seeds=range(150))
    monkeypatch.setattr(core_module, "CHANNELS", (4, 4))
    monkeypatch.setattr(core_module, "COMPONENTS", 20)
    statistics = gather(Features(tiny, tiny.layer("b"), range(150)), 150, 5)
    P = torch.rand(64, 5, dtype=torch.float64)
    components = torch.linalg.qr(torch.rand(64, 20, dtype=torch.float64))[0]
    assert core_channels(12, 20, 12) == (4, True)
    axes = joint_module._channel_axes(statistics, statistics.basis.double().T @ P, 4)
    scatter = joint_module.spatial_scatter(statistics) / statistics.energy
    scatter = components.T @ scatter @ components
    core = Core.of(statistics, axes, components, scatter)
    assert core.channels == 4 + 1
    seen, _ = core.of_components(torch.eye(5, dtype=torch.float64))
    assert torch.allclose(seen, scatter, rtol=1e-3, atol=1e-6)
    factors = fit(tiny, "b", parts=5, seeds=range(150))
    assert factors.loss == pytest.approx(whole.loss, abs=2e-3)
    *trace, _ = factors.config["trace"]
    assert all(later <= earlier + 1e-6 for earlier, later in itertools.pairwise(trace))


def test_axes_that_no_sample_has_are_left_alone():
    """Rounding gives them eigenvalues below zero, along which the quartic falls forever."""
    for seed in range(6):
        torch.manual_seed(seed)
        axis = torch.nn.functional.normalize(torch.randn(6, 1).double(), dim=0)
        noise = 1e-12 * torch.randn(2, 6, 6).double()
        n1, n2 = axis @ axis.T + noise + noise.mT
        A = joint_module._solve_appearances(n1, n2 - 4e-12 * torch.eye(6), 1, None)
        assert torch.allclose(A.abs(), axis.abs(), atol=1e-6)


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ((512, 32, 512), (39, True)),
        ((512, 16, 512), (79, True)),
        ((30, 32, 30), (30, False)),
        ((512, 32, 8), (63, False)),
        ((512, 32, 100), (100, False)),
        ((512, 32, 192), (191, True)),
        ((512, 300, 512), (19, True)),
        ((512, 9000, 512), (1, True)),
        ((3, 32, 2), (3, False)),
    ],
)
def test_a_core_has_channels_for_all_appearances_that_fit(asked, given):
    assert core_channels(*asked) == given


def test_as_many_appearances_as_a_core_with_others_has_channels(tiny, monkeypatch):
    whole = fit(tiny, "b", parts=5, appearances=6, seeds=range(150))
    monkeypatch.setattr(core_module, "NUMBERS", 6 * core_module.COMPONENTS)
    assert core_channels(12, core_module.COMPONENTS, 6) == (5, True)
    factors = fit(tiny, "b", parts=5, appearances=6, seeds=range(150))
    assert factors.loss == pytest.approx(whole.loss, abs=1e-3)


@pytest.mark.parametrize("rank", [6, 3])
def test_the_moments_of_the_core_are_those_of_its_samples(tiny, rank):
    Z = torch.cat(list(Features(tiny, tiny.layer("c"), range(150))))
    statistics = gather([Z], 150, 5)
    torch.manual_seed(0)
    axes = torch.linalg.qr(torch.randn(12, 6, dtype=torch.float64))[0]
    components = torch.linalg.qr(torch.randn(64, 9, dtype=torch.float64))[0]
    core = Core.of(statistics, axes, components)
    basis = statistics.basis.double() @ components
    small = axes.T @ Z.double() @ basis
    A, P = torch.randn(6, rank, dtype=torch.float64), torch.rand(256, rank, dtype=torch.float64)
    G, H = A @ A.T, basis.T @ P @ P.T @ basis
    once, twice = small.mT @ G @ small, small.mT @ G @ G @ small
    for moment, all_of_it in zip(core.of_components(A), (once, twice), strict=True):
        expected = all_of_it.sum(0) / statistics.energy
        assert torch.allclose(moment, expected, rtol=1e-5, atol=1e-6 * float(expected.max()))
    second = basis.T @ P @ (P.T @ P) @ P.T @ basis
    for moment, middle in zip(core.of_channels(P), (H, second), strict=True):
        expected = (small @ middle @ small.mT).sum(0) / statistics.energy
        assert torch.allclose(moment, expected, rtol=1e-5, atol=1e-6 * float(expected.max()))


def test_the_core_is_the_same_to_the_bit_however_it_was_summed(tiny, monkeypatch):
    statistics = gather(Features(tiny, tiny.layer("c"), range(150), batch=7), 150, 5)
    axes, components = torch.eye(12).double()[:, :6], torch.eye(64).double()[:, :20]
    tables = []
    for block in (1, 64, 256):
        monkeypatch.setattr(core_module, "BLOCK", block)
        tables.append(Core.of(statistics, axes, components).table)
    assert torch.equal(tables[0], tables[1]) and torch.equal(tables[0], tables[2])


def test_the_same_statistics_give_the_same_factors(tiny):
    statistics = gather(Features(tiny, tiny.layer("c"), range(100)), 100, 6)
    first, second = joint(statistics, 12, 6), joint(statistics, 12, 6)
    assert torch.equal(first.parts, second.parts)
    assert torch.equal(first.appearances, second.appearances)
    assert first.trace == second.trace
