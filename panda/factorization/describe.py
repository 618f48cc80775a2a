"""From a solution to factors: what its coordinates are like over the samples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from panda.factorization import processes
from panda.factorization.background import (
    BORDERS,
    SAMPLES,
    Background,
    find_background,
    look_mask,
    pooled,
)
from panda.factorization.factors import Factors
from panda.factorization.linear_algebra import fix_signs, leading_eigenvectors
from panda.factorization.moments import PartMoments
from panda.factorization.solvers.joint import Solution
from panda.factorization.statistics import Statistics, spatial_scatter
from panda.factorization.verdict import MOST, Verdict, judge
from panda.generators.contract import Layer

OWN_APPEARANCES = 16
"""The number of axes that each part gets, at most."""


def describe(
    generator: str,
    layer: Layer,
    solution: Solution,
    statistics: Statistics,
    config: Mapping[str, Any],
    border: str = BORDERS[0],
) -> Factors:
    """Complete a solution to factors: standard deviations, each part's own axes, the background.

    Args:
        generator: The generator's name.
        layer: The layer of the features.
        solution: Appearances and parts.
        statistics: The samples that they are described over.
        config: What reproduces the factors: see `Factors`.
        border: Where background is looked for, one of `BORDERS`.

    Returns:
        The factors, on the CPU.
    """
    A, P = solution.appearances.to(statistics.basis), solution.parts.to(statistics.basis)
    background, verdict = _background(statistics, layer, border)
    facts = {"border": border, **(verdict.facts() if verdict else {})}
    around = background.appearance
    scatter = solution.scatter
    if scatter is None:
        scatter = PartMoments.of(statistics, P).scatter
    # Coordinates are means over a part's positions; their variance is one over the samples.
    weight = P.sum(0)[:, None] * statistics.count**0.5
    spread = ((scatter.float() @ A) * A).sum(1).clamp_min(0).sqrt() / weight
    if A.shape[1] == A.shape[0]:
        axes, deviations = _principal_axes(scatter)
    else:
        span = torch.linalg.qr(A)[0]
        axes, deviations = _principal_axes(span.T.double() @ scatter @ span.double())
        axes, around = axes @ span.T, span @ (span.T @ around)
    scale = _typical_norm(statistics)
    tensors = {
        "appearances": A,
        "parts": P,
        "spread": spread.T,
        "own": axes,
        "own_spread": deviations / weight,
        "background": around * scale / around.norm().clamp_min(1e-30),
        "background_detector": background.detector,
        "mean": statistics.mean,
    }
    cpu = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
    described = {**config, "background": facts}
    if solution.stability:
        own = _own_stability(statistics, P, axes, deviations)
        described["stability"] = {"parts": _rounded(solution.stability), "own": own}
    return Factors(generator=generator, layer=layer, config=described, **cpu)


def _own_stability(
    statistics: Statistics, P: Tensor, axes: Tensor, deviations: Tensor
) -> list[list[float]]:
    """Return how well two halves of the samples agree on each part's own axes, as cosines.

    Only turns inside the span of a part's axes are seen: of the last ones, less than there is.

    Args:
        statistics: The samples.
        P: Parts ``[S, R_S]``.
        axes: Their own axes ``[R_S, L, C]``.
        deviations: The roots of the scatters along them, ``[R_S, L]``.
    """

    def terms(z: Tensor, pooling: Tensor, axes: Tensor) -> tuple[Tensor, Tensor]:
        columns = (z @ pooling).permute(2, 1, 0)  # [R_S, C, B]
        along = (axes @ columns).double()
        return along.sum(2), along @ along.mT

    pooling, count = statistics.basis.T @ P, statistics.count
    odd = statistics.sum(terms, pooling, axes, odd=True)
    mean = (axes @ (statistics.seen_mean.to(pooling) @ pooling).T[:, :, None])[:, :, 0]
    mean = mean.double().cpu()
    all_squares = deviations.double().cpu().square().diag_embed()
    all_squares = all_squares + count * mean[:, :, None] * mean[:, None]
    even = count * mean - odd[0], all_squares - odd[1]
    turns = []
    for number, (sums, squares) in ((count // 2, odd), (count - count // 2, even)):
        covariance = squares / number - sums[:, :, None] * sums[:, None] / number**2
        turns.append(torch.linalg.eigh(covariance)[1].mT)  # [R_S, axes of the half, L]
    rows = []
    for halves in zip(*turns, strict=True):
        pair = [turn[linear_sum_assignment(-turn.abs().T.numpy())[1]] for turn in halves]
        rows.append(_rounded((pair[0] * pair[1]).sum(1).abs().tolist()))
    return rows


def _rounded(values: Iterable[float]) -> list[float]:
    """Return values to the digits that tell something."""
    return [round(value, 4) for value in values]


def _typical_norm(statistics: Statistics) -> float:
    """Return the root mean square norm of a feature vector; positions with artifacts count less."""
    energy, positions = statistics.energy, len(statistics.basis)
    if statistics.artifacts:
        maps = (statistics.basis * statistics.artifacts.weights[:, None]).double().cpu()
        scatter = spatial_scatter(statistics)
        energy = float(((maps @ scatter) * maps).sum())
    return float((energy / statistics.count / positions) ** 0.5)


def _background(
    statistics: Statistics, layer: Layer, border: str
) -> tuple[Background, Verdict | None]:
    """Find the background in the first samples, less the mean feature of all samples."""
    samples = statistics.first(MOST)
    centered = samples - statistics.mean[:, None] * statistics.basis.sum(0)
    if float(centered.norm()) < 1e-5 * float(samples.norm()):
        centered.zero_()  # nothing varies but the rounding
    maps = statistics.basis.T
    maps = statistics.artifacts.clean(maps) if statistics.artifacts else maps
    maps = maps.reshape(-1, layer.height, layer.width)
    maps = pooled(maps, layer)
    place = look_mask(maps.shape[1], maps.shape[2], border)
    background = find_background(centered[:SAMPLES], maps, place)
    return background, judge(centered, maps, background, place)


def _principal_axes(scatter: Tensor) -> tuple[Tensor, Tensor]:
    """Return leading axes ``[R_S, L, C]`` of scatters ``[R_S, C, C]``, and deviations ``[R_S, L]``.

    Each process computes those of some parts.
    """
    parts, size = scatter.shape[:2]
    count = min(OWN_APPEARANCES, size)
    axes, variances = torch.zeros(parts, count, size), torch.zeros(parts, count)
    for part in range(processes.rank(), parts, processes.count()):
        values, vectors = leading_eigenvectors(scatter[part].cpu().numpy(), count)
        variances[part] = torch.from_numpy(values.copy())
        axes[part] = torch.from_numpy(vectors.T.copy())
    axes, variances = processes.all_reduce([axes, variances])
    axes = fix_signs(axes).to(scatter.device)
    return axes, variances.clamp_min(0).sqrt().to(scatter.device)
