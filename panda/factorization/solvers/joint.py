"""The joint solver: no learning rate, no step count, and the loss never rises.

With G = A A^T and H = P P^T the loss is

    L = sum_i tr(Z_i^T Z_i) - 2 tr(G Z_i H Z_i^T) + tr(G^2 Z_i H^2 Z_i^T).

For a fixed A it is a quartic in P with two small matrices in it, and for a fixed P the same quartic
in A; when A has full rank the second one has a closed form (a Lyapunov equation). The two steps
alternate until the loss no longer falls, on a core of the samples where a round costs next to
nothing; a last step finds the best appearances for all samples.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from panda.errors import PandaError
from panda.factorization.linear_algebra import (
    eigenvectors,
    fix_signs,
    nystrom_axes,
    varimax,
)
from panda.factorization.loss import check_agreement, compressed_loss
from panda.factorization.moments import PartMoments
from panda.factorization.solvers.core import COMPONENTS, Core, core_channels
from panda.factorization.solvers.quartic import Quartic, descend_appearances, descend_parts
from panda.factorization.statistics import Statistics, spatial_scatter
from panda.progress import bar

TOLERANCE = 5e-6
"""Stop when a round lowers the loss by less than this fraction of the energy."""

HALF_TOLERANCE = 1e-4
"""Likewise for a half of the samples, of which only the parts are compared."""

STABLE = 0.8
"""Parts and axes are stable if halves of the samples agree by this cosine."""

LEAST_SAMPLES = 8
"""The least number of samples whose halves are compared."""

STEPS = 1e-12, 10
"""Within a round, stop where a step lowers the loss by less than this, or after this many steps.

The next round continues where a descent stops: at 16 x 16 of a face generator, 10 steps a round
need no more rounds than 150 do, and end no higher.
"""

FLOOR = 1e-10
"""Eigenvalues of a moment below this fraction of the largest are rounding errors."""

AXES_SAMPLES = 128
"""The first samples, whose channel axes are those of the core: with 1000, the loss is the same
within 1e-5, relative."""


@dataclass(frozen=True, eq=False)
class Solution:
    """What a solver finds."""

    appearances: Tensor
    """A ``[C, R_C]``."""

    parts: Tensor
    """P ``[S, R_S]``."""

    trace: tuple[float, ...]
    """The loss after each half step, as a fraction of the energy of the features: on the core
    first, and at the end on all samples. For more appearances than the core may have (some 190 for
    8 parts), but fewer than C, the core has them for all channels: the last loss is higher."""

    scatter: Tensor | None = None
    """The scatter of each column of Z P, ``[R_S, C, C]``, where the solver computes it."""

    stability: tuple[float, ...] = ()
    """For each part the cosine of its form in one half of the samples and in the other, where the
    solver computes it."""


def joint(
    statistics: Statistics, appearances: int, parts: int, start: Tensor | None = None
) -> Solution:
    """Minimize the loss over both factors; the same statistics give the same factors.

    Args:
        statistics: The samples.
        appearances: R_C.
        parts: R_S.
        start: Parts ``[S, R_S]`` to start from; by default the localized leading components.

    Raises:
        PandaError: Where the features have fewer parts than were asked for, or the factors diverge.
    """
    energy, artifacts = statistics.energy, statistics.artifacts
    view, scatter = statistics.basis.double().cpu(), spatial_scatter(statistics)
    # What samples are multiplied by to be in the view, and their energy there.
    turn, seen = torch.eye(len(scatter)).double(), energy
    if artifacts:
        mean = statistics.seen_mean.double().cpu()
        view, turn = artifacts.view(view, scatter - statistics.count * mean.T @ mean)
        scatter = turn.T @ scatter @ turn
        seen = float(scatter.trace())
    values, components = torch.linalg.eigh(scatter / seen)
    components = components[:, -max(COMPONENTS, 3 * parts) :]
    scatter = values[-components.shape[1] :].diag()
    basis, components = view @ components, turn @ components
    P = _initial_parts(basis, scatter, parts) if start is None else start.double().cpu()
    P = descend_parts(Quartic(scatter, scatter, basis), P, *STEPS)
    channels = statistics.samples.row[0]
    count, others = core_channels(channels, basis.shape[1], appearances)
    axes = _channel_axes(statistics, turn @ (view.T @ P), count)
    rest = scatter if others else None
    core = Core.of(statistics, axes, components, rest, basis=basis, energy=seen)
    rank = min(appearances, core.channels)
    A, P, trace = _alternate(core, rank, P, TOLERANCE, "solve")
    P = _strongest_first(basis, P, core.of_components(A)[0])
    stability: tuple[float, ...] = ()
    if statistics.count >= LEAST_SAMPLES:
        odd_scatter = components.T @ spatial_scatter(statistics, odd=True) @ components / seen
        rest = odd_scatter if others else None
        odd = Core.of(statistics, axes, components, rest, basis=basis, energy=seen, odd=True)
        even = replace(core, table=core.table - odd.table)
        halves = ((odd, odd_scatter), (even, scatter - odd_scatter))
        stability = _stability(halves, rank, P)
    if artifacts:
        P = artifacts.weights.double().cpu()[:, None] * P
        trace = []  # of other features
    moments = PartMoments.of(statistics, P)
    n1, n2 = (moment / energy for moment in moments.about_zero())
    best = None if others or appearances == channels else axes @ A
    A = _solve_appearances(n1, n2, appearances, best)
    expected = _loss(n1, n2, A)
    A, scale = _canonical(A, n1)
    A, P = A.float(), (P / scale).float()
    loss = compressed_loss(A, P, statistics)
    check_agreement(expected, loss)
    scatter = moments.scatter.div_(scale**2)  # in place: there may be hundreds of megabytes
    return Solution(A, P, (*trace, loss), scatter, stability)


def _stability(halves: Iterable[tuple[Core, Tensor]], rank: int, P: Tensor) -> tuple[float, ...]:
    """Return how well the parts of two halves of the samples agree, a cosine for each part of P.

    Args:
        halves: The core of each half, and the sum of its Z^T Z in the components.
        rank: The number of appearances.
        P: The parts of all samples, with which those of each half are matched.
    """
    matched = []
    for core, scatter in halves:
        start = _initial_parts(core.basis, scatter, P.shape[1])
        start = descend_parts(Quartic(scatter, scatter, core.basis), start, *STEPS)
        found = _alternate(core, rank, start, HALF_TOLERANCE, "solve a half")[1]
        unit = (found / found.norm(dim=0).clamp_min(1e-30)).nan_to_num(0)
        matched.append(unit[:, linear_sum_assignment(-(P.T @ unit).numpy())[1]])
    return tuple((matched[0] * matched[1]).sum(0).tolist())


def _alternate(
    core: Core, rank: int, P: Tensor, tolerance: float, words: str
) -> tuple[Tensor, Tensor, list[float]]:
    """Alternate the half steps from P until the loss no longer falls; return A, P, the trace."""
    A: Tensor | None = None
    trace: list[float] = []
    with bar(desc=f"{words} on {core.basis.shape[1]} components", unit="round") as progress:
        while True:
            n1, n2 = core.of_channels(P)
            A = _solve_appearances(n1, n2, rank, A)
            trace.append(_loss(n1, n2, A))
            progress.set_postfix(loss=f"{trace[-1]:.5f}")
            progress.update()
            if len(trace) > 1 and not trace[-3] - trace[-1] >= tolerance:  # also where it is NaN
                return A, P, trace
            quartic = Quartic(*core.of_components(A), core.basis)
            P = descend_parts(quartic, P, *STEPS)
            trace.append(1 + float(quartic(P)))


def _loss(n1: Tensor, n2: Tensor, A: Tensor) -> float:
    """Return the loss for moments ``[C, C]``.

    By way of G, which for appearances for all channels takes half the products of `Quartic`.
    """
    G = A @ A.T
    return 1 + float((G * (G @ n2 - 2 * n1)).sum())


def _initial_parts(basis: Tensor, scatter: Tensor, parts: int) -> Tensor:
    """Localize the leading spatial components with varimax and keep their positive side.

    Random starts end in several local optima; at 16 x 16 of a face generator this start ends in the
    best optimum of fourteen random ones.
    """
    values, vectors = torch.linalg.eigh(scatter)
    leading = vectors[:, -parts:] * values[-parts:].clamp_min(0).sqrt()
    loadings = varimax(basis @ leading)
    loadings = loadings * loadings.pow(3).sum(0).sign()
    P = loadings.clamp_min(0)
    unit: Tensor = P / P.norm(dim=0).clamp_min(torch.finfo(P.dtype).tiny)
    return unit


def _channel_axes(statistics: Statistics, pooling: Tensor, count: int) -> Tensor:
    """Return about the leading axes ``[C, count]`` of the sum of Z H Z^T of a few samples.

    They come from its products with twice as many random vectors: one pass over the samples, and
    no large eigenproblem. ``pooling`` is P for samples in the spatial basis, ``[K, R_S]``.
    """
    channels = statistics.samples.row[0]
    draw = torch.Generator().manual_seed(0)
    random = torch.randn(channels, min(channels, 2 * count), generator=draw, dtype=torch.float64)
    probes = torch.linalg.qr(random)[0]

    def terms(z: Tensor, pooling: Tensor, probes: Tensor) -> tuple[Tensor]:
        rows = (pooling.T @ z.flatten(0, 1).T).view(-1, channels)
        return (rows.T @ (rows @ probes),)

    (products,) = statistics.sum(terms, pooling, probes, first=AXES_SAMPLES)
    return nystrom_axes(products, probes, count)


def loss_of_span(n1: Tensor, n2: Tensor, axes: Tensor) -> float:
    """Return the least loss of appearances in the span of axes ``[C, R]``, for fixed parts.

    Args:
        n1: The sum of Z H Z^T ``[C, C]``, as a fraction of the energy.
        n2: The sum of Z H^2 Z^T ``[C, C]``, likewise.
        axes: Orthonormal.
    """
    return _loss(n1, n2, axes @ _closed_form(axes.T @ n1 @ axes, axes.T @ n2 @ axes)[0])


def _solve_appearances(n1: Tensor, n2: Tensor, rank: int, start: Tensor | None) -> Tensor:
    """Return the best A ``[C, R_C]`` for moments ``[C, C]``, never worse than ``start``.

    With appearances for all channels it has a closed form. With fewer, the closed form is the best
    in the span of the start, or of the channel axes with most energy, and a descent starts there.
    """
    if rank == len(n1):
        A, exact = _closed_form(n1, n2)
        if exact:
            return A
    else:
        leading = torch.linalg.eigh(n1)[1][:, -rank:] if start is None else start
        span = torch.linalg.qr(leading)[0]
        A = span @ _closed_form(span.T @ n1 @ span, span.T @ n2 @ span)[0]
    quartic = Quartic(n1, _positive(n2))
    if start is not None and bool(quartic(start) < quartic(A)):
        A = start
    return descend_appearances(quartic, A, *STEPS)


def _positive(moment: Tensor) -> Tensor:
    """Raise the eigenvalues of a moment that are below `FLOOR`; change no bit if none is.

    Along axes without any energy, rounding may make eigenvalues negative, and then the quartic has
    no minimum: appearances would grow without bound.
    """
    values, axes = torch.linalg.eigh(moment)
    raised: Tensor = moment + axes * (FLOOR * values[-1] - values).clamp_min(0) @ axes.T
    return raised


def _closed_form(n1: Tensor, n2: Tensor) -> tuple[Tensor, bool]:
    """Return A ``[C, C]`` with G N2 + N2 G = 2 N1, and whether it is optimal.

    It is where this G is positive semidefinite; elsewhere the negative eigenvalues are cut off.
    Axes along which no sample has energy are zero.
    """
    values, axes = torch.linalg.eigh(n2)
    sums = values[:, None] + values
    G = torch.where(sums > FLOOR * values[-1], 2 * (axes.T @ n1 @ axes) / sums, 0.0)
    G = (G + G.T) / 2
    root, failed = torch.linalg.cholesky_ex(G)
    if not failed:
        return axes @ root, True
    weights, turned = torch.linalg.eigh(G)
    A = axes @ (turned * weights.clamp_min(0).sqrt())
    return A, bool(weights[0] >= -1e-6 * weights[-1])


def _strongest_first(basis: Tensor, P: Tensor, m1: Tensor) -> Tensor:
    """Sort parts ``[S, R_S]`` by energy, that of A^T Z p; m1 is the sum of Z^T G Z.

    Raises `PandaError` where one is all zero or not a number.
    """
    _check(P)
    empty = (P.norm(dim=0) == 0).nonzero().flatten().tolist()
    if empty:
        raise PandaError(
            f"{len(empty)} of {P.shape[1]} parts came out all zero: these features have no more"
            f" than {P.shape[1] - len(empty)} parts, ask for fewer"
        )
    pooling = basis.T @ P
    energies = (pooling * (m1 @ pooling)).sum(0)
    return P[:, energies.argsort(descending=True, stable=True)]


def _canonical(A: Tensor, n1: Tensor) -> tuple[Tensor, float]:
    """Fix what the loss leaves free of A: its scale (by which to divide P), rotation and signs.

    A A^T determines A up to a rotation only, so A is turned to the principal axes of the
    coordinates A^T Z P, strongest first; n1 is the sum of Z H Z^T.
    """
    _check(A)
    scale = float((A.shape[1] / A.square().sum()).sqrt())
    A = A @ eigenvectors(A.T @ n1 @ A)[1] * scale
    return fix_signs(A, dim=0), scale


def _check(factor: Tensor) -> None:
    """Raise `PandaError` for a factor that is not finite."""
    if not bool(torch.isfinite(factor).all()):
        raise PandaError("the solver met NaN; the features hold values too large for float32")
