"""Features of every type, size and shape that a generator may have: right, or refused."""

from itertools import pairwise

import pytest
import torch
from conftest import TinyGenerator
from rounding import rounding

from panda import Layer, PandaError, State
from panda.editing.apply import edit_images
from panda.editing.edits import Edit
from panda.editing.localize import localize
from panda.editing.remove import remove_images
from panda.factorization.fit import fit
from panda.factorization.solvers.joint import joint
from panda.factorization.statistics import gather

pytestmark = pytest.mark.numeric

ROUNDING = 1e-7  # of the energy: sums of float32 features are no more exact
CORE = 1e-4  # the rounds work on a compressed core; the last loss is that of all components
SEEDS = range(12)


class Given(TinyGenerator):
    """A generator with one layer, of these sizes, whose features are made by a function."""

    def __init__(self, make, shape=(6, 5, 7)):
        super().__init__()
        self.make, self.layers = make, {"x": Layer("x", *shape)}

    def head(self, latents, layer):
        place = self.layers["x"]
        shape = (place.channels, place.height, place.width)
        streams = [torch.Generator().manual_seed(seed) for seed in latents.seeds]
        return State(torch.stack([self.make(torch.randn(shape, generator=g)) for g in streams]))


def fitted(make=lambda x: x, shape=(6, 5, 7), **options):
    factors = fit(Given(make, shape), "x", **{"parts": 2, "seeds": SEEDS, **options})
    assert factors.parts.shape[0] == shape[1] * shape[2]
    assert bool((factors.parts >= 0).all())
    assert 0 <= factors.loss <= 1 + ROUNDING
    *rounds, last = factors.config["trace"]
    assert all(after <= before + ROUNDING for before, after in pairwise(rounds))
    assert not rounds or last <= rounds[-1] + CORE
    return factors


@pytest.fixture(scope="module")
def reference():
    return fitted()


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [(torch.float64, 1e-6), (torch.float16, 1e-4), (torch.bfloat16, 1e-3)],
)
def test_features_of_other_float_types_are_fitted_in_float32(reference, dtype, tolerance):
    factors = fitted(lambda x: x.to(dtype))
    assert factors.parts.dtype == torch.float32
    assert factors.loss == pytest.approx(reference.loss, abs=tolerance)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("refined", [False, True])
def test_generators_of_other_float_types_are_edited_in_their_own(dtype, refined):
    generator = TinyGenerator(dtype=dtype)
    factors = fit(generator, "b", parts=3, seeds=SEEDS)
    latents = generator.sample([1, 2])
    edits = [Edit((0,), "p0", 1.0)]
    images = edit_images(generator, factors, latents, edits, refined=refined)
    removed = remove_images(generator, factors, latents, [0])
    maps, masks = localize(factors, generator.head(latents, "b").x, "bg", size=16)
    assert images.dtype == removed.dtype == dtype
    for result in (images, removed, maps):
        assert bool(torch.isfinite(result).all())
    assert masks.shape == (2, 16, 16)


def test_features_that_are_no_floats_are_refused():
    with pytest.raises(PandaError, match=r"features of torch\.int64 at x, expected floats"):
        fitted(lambda x: (9 * x).long())


@pytest.mark.parametrize("scale", [1e-15, 1e-6, 1e6, 1e9])
def test_the_scale_of_features_changes_nothing(reference, scale):
    assert fitted(lambda x: scale * x).loss == pytest.approx(reference.loss, abs=1e-5)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e12, -1e30, 3e38])
def test_features_that_cannot_be_multiplied_are_refused_by_seed(value):
    def broken(x):
        return torch.where(x > 2.6, value, x)  # in few samples only

    with pytest.raises(PandaError, match=r"NaN, infinite or huge .over 1e\+10. features at x for"):
        fitted(broken, seeds=range(40))


def test_features_that_are_all_zero_are_refused():
    with pytest.raises(PandaError, match="every feature is zero"):
        fitted(torch.zeros_like)


@pytest.mark.parametrize("noise", [0.0, 1e-6])
@pytest.mark.parametrize("channels", [8, 24])
def test_samples_that_are_all_the_same_are_fitted(channels, noise):
    mean = torch.randn(channels, 16, generator=torch.Generator().manual_seed(0))
    mean = mean + torch.linspace(-1, 2, channels)[:, None]
    Z = mean + noise * torch.randn(1000, channels, 16, generator=torch.Generator().manual_seed(1))
    solution = joint(gather(list(Z.split(8)), 1000, 4), channels, 4)
    assert 0 <= solution.trace[-1] < 0.5


def test_parts_that_begin_at_zero_are_a_sentence():
    Z = torch.randn(40, 8, 16, generator=torch.Generator().manual_seed(0))
    with pytest.raises(PandaError, match="4 of 4 parts came out all zero"):
        joint(gather([Z], 40, 4), 8, 4, start=torch.zeros(16, 4))


def a_color(x):
    """The same feature, of numbers that float32 does not hold exactly, everywhere."""
    return torch.linspace(0.1, 0.9, len(x))[:, None, None].expand_as(x).clone()


@pytest.mark.parametrize("make", [torch.ones_like, lambda x: -torch.ones_like(x), a_color])
@pytest.mark.parametrize("shape", [(6, 5, 7), (24, 20, 16)])
def test_constant_features_are_one_part_and_have_no_background(make, shape):
    factors = fitted(make, shape, parts=1)
    positions = shape[1] * shape[2]
    # What a part sees goes through three sums of at most all positions, and the loss squares it;
    # where all features are the same, so are their errors, and nothing of them averages out.
    assert factors.loss == pytest.approx(0, abs=2 * rounding(3 * positions))
    assert not factors.background.any() and not factors.background_detector.any()


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((6, 5, 7), {"parts": 1}),
        ((6, 5, 7), {"appearances": 1}),
        ((6, 5, 7), {"seeds": [3], "parts": 1, "appearances": 1}),
        ((1, 5, 7), {}),
        ((1, 5, 7), {"seeds": [0]}),
        ((8, 4, 4), {"parts": 16}),
        ((6, 1, 7), {}),
        ((6, 9, 1), {}),
        ((6, 1, 1), {"parts": 1}),
        ((1, 1, 1), {"parts": 1, "seeds": [0]}),
    ],
)
def test_layers_and_ranks_at_their_limits_are_fitted(shape, options):
    fitted(shape=shape, **options)


def test_a_batch_of_one_gives_the_same_loss(reference):
    assert fitted(batch=1).loss == pytest.approx(reference.loss, abs=1e-5)
