"""The reported loss is that of the factors, on the true features."""

from __future__ import annotations

import pytest
import torch
from conftest import TinyGenerator
from hypothesis import given, settings
from hypothesis import strategies as st

from panda import Generator, Latents, Layer, PandaError, State
from panda.factorization import loss as loss_module
from panda.factorization.features import Features
from panda.factorization.fit import fit, reconstruction_loss
from panda.factorization.loss import compressed_loss
from panda.factorization.moments import PartMoments
from panda.factorization.solvers import joint as joint_module
from panda.factorization.statistics import gather

pytestmark = pytest.mark.numeric

UNIT = torch.finfo(torch.float32).eps / 2
STEPS = 4
"""Roundings of a feature on its way through compression and reconstruction; sums add up random
errors, which grow with the root of their length only, hence not one for each term."""


class Drawn(Generator):
    """Features ``[channels, height, width]`` of a low rank that differ by seed and class."""

    usual_truncation = 1.0

    def __init__(self, channels: int, height: int, width: int, rank: int, noise: float) -> None:
        self.name, self.device, self.size = "drawn", torch.device("cpu"), (16, 16)
        self.layers = {"x": Layer("x", channels, height, width)}
        self.rank, self.noise = rank, noise
        where = torch.Generator().manual_seed(rank)
        self.maps = torch.rand(rank, height * width, generator=where)

    def sample(self, seeds, *, truncation=1.0, label=None):
        classes = [seed % 3 if label is None else label for seed in seeds]
        rows = torch.tensor(list(zip(seeds, classes, strict=True)))
        return Latents(tuple(seeds), {"rows": rows})

    def head(self, latents: Latents, layer: str) -> State:
        return State(torch.stack([self.feature(*row) for row in latents.tensors["rows"].tolist()]))

    def feature(self, seed, label):
        draw = torch.Generator().manual_seed(1000 * label + seed)
        layer = self.layers["x"]
        what = torch.randn(layer.channels, self.rank, generator=draw) + label
        noise = torch.randn(layer.channels, layer.positions, generator=draw)
        return (what @ self.maps + self.noise * noise).view(-1, layer.height, layer.width)

    def tail(self, state, layer):
        raise NotImplementedError

    def forward(self, latents):
        raise NotImplementedError


@st.composite
def problems(draw):
    """A generator and the arguments of a fit, of every shape that is small."""
    sides = draw(st.tuples(st.integers(1, 14), st.integers(1, 14)))
    channels, count = draw(st.integers(1, 48)), draw(st.integers(1, 12))
    noise = draw(st.sampled_from([0.0, 1e-6, 1e-3, 1.0]))
    generator = Drawn(channels, *sides, draw(st.integers(1, 6)), noise)
    label = draw(st.none() | st.integers(0, 2) | st.lists(st.integers(0, 2), min_size=12))
    label = label[:count] if isinstance(label, list) else label
    appearances = draw(st.just(channels) | st.integers(1, channels))
    parts = draw(st.integers(1, min(5, sides[0] * sides[1])))
    options = {"parts": parts, "appearances": appearances, "seeds": count, "label": label}
    return generator, options


def tolerance(factors, Z):
    """How far the reported loss may be from that of features ``[N, C, S]``, from the arithmetic.

    Rounding moves each reconstruction by `STEPS` units of what is added up in it. The parts see a
    little, e, of what lies outside of the spatial basis, which the reported loss takes for lost:
    with y = Z P - e and r = Z - G y P^T, the true loss is |r - G e P^T|^2 and the reported one
    |r|^2 + 2 tr(G y e^T).
    """
    A, P, Z = factors.appearances.double(), factors.parts.double(), Z.double()
    basis = gather([Z.float()], len(Z), P.shape[1]).basis.double()
    e = (Z - Z @ basis @ basis.T) @ P
    change = A @ (A.T @ (Z @ P - e))
    r = (Z - change @ P.T).norm()
    moved = (A @ (A.T @ e) @ P.T).norm()
    outside = 2 * change.norm() * e.norm() + 2 * r * moved + moved**2
    gain = torch.linalg.matrix_norm(A, 2) ** 2 * torch.linalg.matrix_norm(P, 2) ** 2
    rounded = STEPS * UNIT * (1 + gain) * Z.norm()
    bound = outside + 2 * r * rounded + rounded**2
    return float(bound / Z.square().sum()) + STEPS * UNIT


@settings(max_examples=30, deadline=None)
@given(problems())
def test_the_reported_loss_is_that_of_the_factors(problem):
    generator, options = problem
    try:
        factors = fit(generator, "x", **options)
    except PandaError as error:
        assert "parts came out all zero" in str(error)
        return
    label = options["label"]
    features = Features(generator, generator.layer("x"), range(options["seeds"]), label=label)
    Z = torch.cat(list(features)).double()
    true = reconstruction_loss(factors.appearances, factors.parts, [Z])
    assert 0 <= factors.loss <= 1
    assert abs(factors.loss - true) <= tolerance(factors, Z)


def test_axes_without_energy_have_none_in_the_moments():
    """Thirty columns span thirty of forty channels; float32 products would leave 1e-10."""
    generator = Drawn(40, 16, 16, 6, 1.0)
    statistics = gather(Features(generator, generator.layer("x"), range(10)), 10, 3)
    P = torch.rand(256, 3, generator=torch.Generator().manual_seed(0))
    for moment in PartMoments.of(statistics, P).about_zero():
        values = torch.linalg.eigvalsh(moment)
        assert float(values[:10].abs().max()) < 1e-14 * float(values[-1])


@pytest.mark.parametrize("scale", [300.0, float("nan")])
def test_appearances_that_blow_up_are_refused_with_both_losses(tiny, monkeypatch, scale):
    """A solver that goes astray, by any fault at all, ends in a sentence and not in factors."""
    canonical = joint_module._canonical

    def astray(A, n1):
        A, size = canonical(A, n1)
        return scale * A, size

    monkeypatch.setattr(joint_module, "_canonical", astray)
    with pytest.raises(PandaError, match=r"ended at a loss of 0\.\d+, but its factors have"):
        fit(tiny, "b", parts=3, seeds=range(10))


def test_a_loss_of_factors_that_blew_up_is_not_clipped(tiny):
    features = Features(tiny, tiny.layer("b"), range(10))
    statistics = gather(features, 10, 3)
    A, P = 300 * torch.eye(12), torch.rand(64, 3, generator=torch.Generator().manual_seed(0))
    true = reconstruction_loss(A, P, features)
    assert true > 1e6
    assert compressed_loss(A, P, statistics) == pytest.approx(true, rel=1e-4)


class Drifting(TinyGenerator):
    """A generator that gives other features when it is asked again."""

    calls = 0

    def head(self, latents: Latents, layer: str) -> State:
        self.calls += 1
        state = super().head(latents, layer)
        return state.with_features(state.x + 5 * (self.calls > 2))


def test_statistics_that_are_not_those_of_the_true_samples_are_refused():
    with pytest.raises(PandaError, match="tiny gives other features for the same seeds"):
        fit(Drifting(), "b", parts=3, seeds=range(64))


def test_true_samples_are_compared_in_their_classes(monkeypatch):
    """With the classes of other samples, they would differ."""
    compared = []
    real = loss_module.reconstruction_loss
    monkeypatch.setattr(
        loss_module,
        "reconstruction_loss",
        lambda A, P, features: compared.append(features[0]) or real(A, P, features),
    )
    labels = [2, 0, 1, 1, 2, 0]
    generator = Drawn(6, 5, 5, 3, 0.1)
    fit(generator, "x", parts=2, seeds=6, label=labels)
    expected = torch.stack([generator.feature(*row) for row in enumerate(labels[:4])])
    assert torch.equal(compared[0], expected.flatten(2))
