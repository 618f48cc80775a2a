"""The steps of a descent, each against what it is defined to be."""

import math
from itertools import pairwise

import pytest
import torch

from panda.factorization.solvers.quartic import (
    WINDOW,
    Quartic,
    _Convergence,
    _lowest,
    _spectral,
    descend_appearances,
    descend_parts,
)


def lowest(coefficients, limit=math.inf):
    place, gain = _lowest(torch.tensor(coefficients, dtype=torch.float64), limit)
    return place.flatten().tolist(), gain.flatten().tolist()


@pytest.mark.parametrize(
    ("coefficients", "limit", "place", "gain"),
    [
        ([-2.0, 1, 0, 0], math.inf, 1, 1),  # (a - 1)^2 - 1
        ([-2.0, 1, 0, 0], 0.5, 0.5, 0.75),  # the limit, before the lowest point
        ([-1e-6, 0, -4, 3], math.inf, 1, 1),  # 3 a^4 - 4 a^3
        ([-1e-6, -2, 0, 1], math.inf, 1, 1),  # two lowest points, one of them behind
        ([-1.0, 0, 0, 1], math.inf, 4 ** (-1 / 3), 0.75 * 4 ** (-1 / 3)),
        ([1.0, 1, 1, 1], math.inf, 0, 0),  # nowhere to go
        ([1.0, 1, 1, 1], 3.0, 0, 0),
        ([-1.0, 0, 0, 0], 2.0, 2, 2),  # a line, down to the limit
        ([0.0, 0, 0, 0], 1.0, 0, 0),
        ([math.nan, 1, 1, 1], 1.0, 0, 0),
        ([1.0, -3, 1, 1], math.inf, 0.7726, 0.2007),  # past a rise
    ],
)
def test_a_step_goes_to_the_lowest_point_on_its_way(coefficients, limit, place, gain):
    places, gains = lowest([coefficients], limit)
    assert places == pytest.approx([place], abs=1e-3)
    assert gains == pytest.approx([gain], abs=1e-3)


def test_each_problem_has_a_lowest_point_of_its_own():
    places, gains = lowest([[-2.0, 1, 0, 0], [-4.0, 1, 0, 0], [1.0, 1, 0, 0]])
    assert places == pytest.approx([1, 2, 0]) and gains == pytest.approx([1, 4, 0])
    place, gain = _lowest(torch.tensor([[-2.0, 1, 0, 0]]))
    assert place.dtype == gain.dtype == torch.float32 and place.shape == gain.shape == (1, 1, 1)


def test_step_lengths_are_those_of_barzilai_and_borwein():
    step = torch.tensor([[[1.0, 2.0]], [[1.0, 0.0]], [[0.0, 0.0]]])
    change = torch.tensor([[[3.0, 1.0]], [[-1.0, 0.0]], [[0.0, 0.0]]])
    scale = torch.tensor([[[2.0, 4.0]]]).expand(3, 1, 2)
    # s^T y = 5, s^T D s = 18, y^T D^-1 y = 4.75; no curvature gives a quarter.
    long, short = (_spectral(step, change, scale, which).flatten() for which in (1, 0))
    assert long.tolist() == pytest.approx([18 / 5, 0.25, 0.25])
    assert short.tolist() == pytest.approx([5 / 4.75, 0.25, 0.25])


def test_a_problem_ends_once_a_window_of_gains_is_too_small():
    convergence = _Convergence(1.0)
    part = torch.ones(2, 1, 1)
    gains = [(5.0, 0.0), (0.4, 0.2), (0.3, 0.2), (0.2, 0.2), (0.2, 5.0), (0.2, 0.0), (0.1, 0.0)]
    taken = [
        convergence.limit(part, torch.tensor(gain).view(2, 1, 1)).flatten().tolist()
        for gain in gains
    ]
    assert WINDOW == 4
    # Sums of four: 5.9 and 0.6; 1.1 and 5.6; 0.9 and 5.4; 0.7 and 5.2.
    assert taken == [[1, 1]] * 3 + [[1, 0], [1, 1], [0, 1], [0, 1]]


def spectrum(scale=1.0):
    """A quartic whose lowest value is -9 scale, at the first two axes."""
    M = scale * torch.diag(torch.tensor([5.0, 4.0, 1.0, 0.5, 0.2, 0.1])).double()
    return Quartic(M, M, torch.eye(6).double())


def start(seed=0, columns=2):
    draw = torch.Generator().manual_seed(seed)
    return torch.rand(6, columns, generator=draw, dtype=torch.float64)


def test_a_descent_is_quick():
    """The figures are those of steps of the right length in the right direction."""
    parts = descend_parts(spectrum(), start(), 1e-12, 12)
    assert float(spectrum()(parts)) < -8.9
    free = Quartic(spectrum().M1, spectrum().M2)
    assert float(free(descend_appearances(free, start(), 1e-12, 12))) < -8.9


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_a_descent_does_not_depend_on_the_units_of_the_moments(scale):
    usual = descend_parts(spectrum(), start(), 0.0, 9)
    torch.testing.assert_close(descend_parts(spectrum(scale), start(), 0.0, 9), usual)


@pytest.mark.parametrize("descend", [descend_parts, descend_appearances])
def test_a_descent_stops_at_its_tolerance_or_after_its_steps(descend):
    quartic = spectrum() if descend is descend_parts else Quartic(spectrum().M1, spectrum().M2)
    values = [float(quartic(descend(quartic, start(), 0.0, steps))) for steps in range(30)]
    assert values[0] == float(quartic(start()))
    assert all(after <= before + 1e-12 for before, after in pairwise(values))
    loose = float(quartic(descend(quartic, start(), 1e-2, 1000)))
    ended = values.index(loose)
    # The step at which a window of gains was too small is not taken.
    windows = [values[n] - values[n + WINDOW] for n in range(len(values) - WINDOW)]
    assert ended == next(n for n, gain in enumerate(windows) if gain <= 1e-2) + WINDOW - 1


def test_problems_are_solved_side_by_side_as_each_alone():
    starts = torch.stack([start(seed) for seed in range(3)])
    together = descend_parts(spectrum(), starts, 1e-9, 40)
    for one, alone in zip(together, starts, strict=True):
        torch.testing.assert_close(one, descend_parts(spectrum(), alone, 1e-9, 40))


def test_parts_stay_above_zero_where_the_best_direction_is_below():
    axis = torch.tensor([[1.0, -1.0, 2.0]]).double().T
    M = axis @ axis.T
    quartic = Quartic(M, M, torch.eye(3).double())
    parts = descend_parts(quartic, torch.ones(3, 1).double() / 2, 1e-15, 100)
    assert (parts >= 0).all() and float(parts[1]) == 0
    torch.testing.assert_close(parts, torch.tensor([[1.0], [0], [2]]).double() / 5**0.5)
