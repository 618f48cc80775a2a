"""How many parts and appearances there are, by their stability and the loss.

More of them always leave less of the features, each one less than the one before, and they need not
be the same in other samples. Of the numbers at which two halves of the samples agree, on all parts
or on the span of the appearances, the knee of the loss is chosen: where it is furthest below the
straight line between its ends (as in Satopaa et al., "Finding a kneedle in a haystack", 2011).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from panda.errors import PandaError
from panda.factorization.moments import PartMoments
from panda.factorization.solvers.joint import (
    LEAST_SAMPLES,
    STABLE,
    Solution,
    joint,
    loss_of_span,
)
from panda.factorization.statistics import Statistics
from panda.notes import note


def choose_parts(
    statistics: Statistics, appearances: int, most: int
) -> tuple[Solution, list[dict[str, float]]]:
    """Solve for 2 parts, 3, and so on, and choose one of the solutions.

    Args:
        statistics: The samples.
        appearances: R_C.
        most: The largest number that is tried.

    Returns:
        The solution, and for each number of ``"parts"`` its ``"loss"`` and ``"stability"``, that of
        the least stable part. Where no number has stable parts only, all are chosen from.

    Raises:
        PandaError: From few samples, and where the features have fewer than two parts.
    """
    _check_count(statistics, "parts")
    solutions: list[Solution] = []
    for parts in range(2, most + 1):
        try:
            solutions.append(joint(statistics, appearances, parts))
        except PandaError:  # the features have no more parts
            if not solutions:
                raise
            break
    curve = [
        {
            "parts": solution.parts.shape[1],
            "loss": round(solution.trace[-1], 6),
            "stability": round(min(solution.stability), 4),
        }
        for solution in solutions
    ]
    chosen = _knee(curve, "parts", any(row["stability"] >= STABLE for row in curve))
    note(
        f"{solutions[chosen].parts.shape[1]} parts were chosen: parts, loss and the least"
        " stability are "
        + ", ".join("{parts} {loss:.4f} {stability:.2f}".format(**row) for row in curve)
    )
    return solutions[chosen], curve


def choose_appearances(statistics: Statistics, P: Tensor) -> tuple[int, list[dict[str, float]]]:
    """Choose a number of appearances for given parts.

    The loss of a number is that of the best appearances in the span of so many leading axes of the
    features in the parts. Its stability is how much of this span halves of the samples share, as
    the mean squared cosine of the angles between both: 0 where they share what random spans would,
    1 where they are the same. Where halves agree on none, all channels are chosen.

    Args:
        statistics: The samples.
        P: Parts ``[S, R_S]``, those for all channels.

    Returns:
        R_C, and for each number of ``"appearances"`` its ``"loss"`` and ``"stability"``.

    Raises:
        PandaError: From few samples.
    """
    _check_count(statistics, "appearances")
    n1, n2 = (moment / statistics.energy for moment in PartMoments.of(statistics, P).about_zero())

    def terms(z: Tensor, pooling: Tensor) -> tuple[Tensor]:
        rows = (pooling.T @ z.flatten(0, 1).T).view(-1, z.shape[1]).double()
        return (rows.T @ rows,)

    pooling = statistics.basis.T @ P.to(statistics.basis)
    odd = statistics.sum(terms, pooling, odd=True)[0] / statistics.energy
    axes, first, second = (torch.linalg.eigh(each)[1].flip(1) for each in (n1, odd, n1 - odd))
    shared = (first.T @ second).square().cumsum(0).cumsum(1).diagonal()
    channels = len(n1)
    curve = []
    for count in _ladder(channels):
        chance = count / channels
        beyond = (float(shared[count - 1]) / count - chance) / (1 - chance) if chance < 1 else 1.0
        loss = loss_of_span(n1, n2, axes[:, :count])
        curve.append({"appearances": count, "loss": round(loss, 6), "stability": round(beyond, 4)})
    chosen = curve[_knee(curve, "appearances", stable=True)]
    note(
        "{appearances} appearances were chosen, of all channels at a loss of {all:.4f}: loss"
        " {loss:.4f}, stability {stability:.2f}".format(all=curve[-1]["loss"], **chosen)
    )
    return int(chosen["appearances"]), curve


def _check_count(statistics: Statistics, what: str) -> None:
    """Raise `PandaError` for samples whose halves say nothing."""
    if statistics.count < LEAST_SAMPLES:
        raise PandaError(
            f"the number of {what} cannot be chosen from {statistics.count} samples; give at least"
            f" {LEAST_SAMPLES} seeds, or a number of {what}"
        )


def _knee(curve: Sequence[Mapping[str, float]], number: str, stable: bool) -> int:
    """Return the row at the knee of the loss, of those that are stable, or of all."""
    numbers, losses, agreement = (
        torch.tensor([row[key] for row in curve], dtype=torch.float64)
        for key in (number, "loss", "stability")
    )
    share = (numbers - numbers[0]) / (numbers[-1] - numbers[0]).clamp_min(1)
    below = torch.lerp(losses[0], losses[-1], share) - losses
    if stable:
        below[agreement < STABLE] = -torch.inf
    return int(below.argmax())


def _ladder(most: int) -> list[int]:
    """Return the numbers up to 16, eight of each octave after that, and the last one."""
    numbers, step = list(range(1, min(most, 16) + 1)), 2
    while numbers[-1] < most:
        numbers += range(8 * step + step, 16 * step + 1, step)
        step *= 2
    return [*(number for number in numbers if number < most), most]
