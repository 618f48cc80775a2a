"""What holds for every input: searched for a counterexample by hypothesis."""

import math
from itertools import pairwise

import pytest
import torch
from conftest import TinyGenerator
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from panda import Layer, PandaError, create_generator, list_generators
from panda.editing.apply import direction, edit_images
from panda.editing.edits import Edit
from panda.factorization import processes
from panda.factorization.factors import Factors
from panda.factorization.solvers.joint import joint
from panda.factorization.statistics import gather
from panda.files.writing import staging
from panda.generators.registry import find_card
from panda.generators.seeds import parse_numbers

FEW = settings(max_examples=12, deadline=None)
MANY = settings(max_examples=100, deadline=None)
ROUNDING = 1e-7


@st.composite
def features(draw):
    """Features ``[N, C, S]`` with some structure, and ranks that fit them."""
    count, channels, positions = (draw(st.integers(*ends)) for ends in ((1, 30), (1, 8), (1, 20)))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32 - 1)))
    rank = draw(st.integers(1, 4))
    Z = torch.randn(count, channels, rank, generator=generator) @ torch.rand(
        rank, positions, generator=generator
    )
    Z += draw(st.sampled_from([0.0, 0.01, 1.0])) * torch.randn(Z.shape, generator=generator)
    Z *= draw(st.sampled_from([1e-8, 1.0, 1e6]))
    return Z, draw(st.integers(1, channels)), draw(st.integers(1, min(positions, 4)))


def solved(Z, size, appearances, parts):
    batches = list(torch.split(Z, size))
    return joint(gather(batches, len(Z), parts), appearances, parts)


@FEW
@given(features())
def test_parts_are_not_negative_and_the_loss_never_rises(given):
    try:
        solution = solved(given[0], 32, *given[1:])
    except PandaError as error:
        assert "came out all zero" in str(error)
        return
    assert bool((solution.parts >= 0).all())
    assert bool(torch.isfinite(solution.parts).all() and torch.isfinite(solution.appearances).all())
    rounds = solution.trace[:-1]
    assert all(after <= before + ROUNDING for before, after in pairwise(rounds))
    assert -ROUNDING <= solution.trace[-1] <= 1 + ROUNDING


@FEW
@given(features(), st.sampled_from([1, 2, 3, 7]))
def test_statistics_do_not_depend_on_batch_size(given, size):
    Z, _, parts = given
    usual, other = (gather(list(torch.split(Z, n)), len(Z), parts) for n in (32, size))
    assert usual.energy == pytest.approx(other.energy, rel=1e-6)
    assert abs(usual.discarded - other.discarded) < 1e-5
    torch.testing.assert_close(usual.mean, other.mean, rtol=1e-5, atol=1e-6 * float(Z.abs().max()))


@MANY
@given(st.data())
def test_sums_come_out_the_same_in_any_order(data):
    number = st.floats(-1e12, 1e12, allow_nan=False)
    terms = data.draw(st.lists(number, min_size=1, max_size=40))
    shuffled = data.draw(st.permutations(terms))
    results = []
    for order in (terms, shuffled):
        total = processes.Sum(torch.zeros(1))
        for term in order:
            total.add(torch.tensor([term], dtype=torch.float64))
        results.append(float(total.result()))
    exact = math.fsum(terms)
    for value in results:
        assert value == pytest.approx(exact, rel=1e-15, abs=1e-18 * math.fsum(map(abs, terms)))


@pytest.fixture(scope="module")
def tiny():
    from panda.factorization.fit import fit

    generator = TinyGenerator()
    return generator, fit(generator, "b", parts=4, seeds=range(40))


strengths = st.floats(-50, 50, allow_nan=False)
edit = st.builds(
    Edit,
    st.lists(st.integers(0, 3), min_size=1, max_size=3, unique=True).map(tuple),
    st.one_of(st.integers(0, 11), st.just("bg")),
    strengths,
)


@settings(MANY, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(edit, min_size=1, max_size=3), st.lists(edit, min_size=1, max_size=3), strengths)
def test_edits_add_up_and_scale(tiny, some, others, factor):
    factors = tiny[1]
    both = direction(factors, [*some, *others])
    added = direction(factors, some) + direction(factors, others)
    torch.testing.assert_close(both, added, rtol=1e-4, atol=1e-4)
    stronger = [Edit(e.parts, e.appearance, factor * e.strength) for e in some]
    expected = factor * direction(factors, some)
    torch.testing.assert_close(direction(factors, stronger), expected, rtol=1e-4, atol=1e-3)


def test_an_edit_of_no_strength_leaves_the_image_as_it_is(tiny):
    generator, factors = tiny
    latents = generator.sample([3])
    edited = edit_images(generator, factors, latents, [Edit((1,), 2, 0.0)])
    assert torch.equal(edited, generator.forward(latents))


@st.composite
def any_factors(draw):
    channels, height, width, rank, parts, own = (draw(st.integers(1, 4)) for _ in range(6))
    number = st.floats(-1e6, 1e6, width=32)

    def tensor(*shape, least=None):
        size = math.prod(shape)
        values = draw(st.lists(number, min_size=size, max_size=size))
        made = torch.tensor(values, dtype=torch.float32).reshape(shape)
        return made if least is None else made.abs() + least

    margin = draw(st.integers(0, (min(height, width) - 1) // 2))  # some of the image is left
    layer = Layer(draw(st.text(max_size=8)), channels, height, width, margin)
    plain = st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=6,
    )
    return Factors(
        draw(st.text(max_size=10)),
        layer,
        tensor(channels, rank),
        tensor(height * width, parts, least=0.5),
        tensor(rank, parts),
        tensor(parts, own, channels),
        tensor(parts, own),
        *(tensor(channels) for _ in range(3)),
        draw(st.dictionaries(st.text(max_size=5).map(lambda name: f"x{name}"), plain, max_size=4)),
    )


@settings(MANY, max_examples=25)
@given(any_factors())
def test_factors_come_back_as_they_were_saved(tmp_path_factory, factors):
    folder = tmp_path_factory.mktemp("factors") / "f"
    try:
        factors.save(folder)
    except PandaError:
        assert not folder.exists()
        return
    again = Factors.load(folder)
    assert (again.generator, again.layer, again.config) == (
        factors.generator,
        factors.layer,
        factors.config,
    )
    for name, tensor in factors._tensors().items():
        assert torch.equal(getattr(again, name), tensor)


@MANY
@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=20, unique=True))
def test_seeds_parse_as_they_are_written(numbers):
    assert parse_numbers(",".join(map(str, numbers))) == numbers


@MANY
@given(st.text() | st.text("0123456789-, ", max_size=12))
def test_any_text_is_seeds_or_is_refused(text):
    try:
        numbers = parse_numbers(text)
    except PandaError:
        return
    assert numbers
    assert len(set(numbers)) == len(numbers)
    assert all(0 <= number < 2**32 for number in numbers)


@MANY
@given(st.text() | st.text("0123456789+-.:pbgsd ", max_size=14))
def test_any_text_is_an_edit_or_is_refused(tiny_factors, text):
    try:
        change = Edit.parse(text).change(tiny_factors)
    except PandaError:
        return
    assert bool(torch.isfinite(change).all())


@pytest.fixture(scope="module")
def tiny_factors(tiny):
    return tiny[1]


@MANY
@given(st.text())
@example("too long for a file" * 20)
@example("/\n")
def test_any_text_is_a_generator_or_is_refused(text):
    for call in (find_card, create_generator):
        try:
            call(text)
        except PandaError as error:
            assert "\n" not in str(error)
    list_generators(text)


@settings(MANY, max_examples=50)
@given(st.text(min_size=1, max_size=30))
def test_any_name_is_written_or_refused(tmp_path_factory, name):
    folder = tmp_path_factory.mktemp("names")
    try:
        with staging(folder / name) as work:
            work.write_text("x")
    except (PandaError, ValueError) as error:
        assert isinstance(error, PandaError) or "null" in str(error)
        return
    assert (folder / name).read_text() == "x"
