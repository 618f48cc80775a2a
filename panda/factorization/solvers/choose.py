"""How many parts there are, by their stability and the loss.

More parts always leave less of the features, each one less than the one before, and they need not
be the same in other samples. Of the numbers at which two halves of the samples agree on all parts,
the knee of the loss is chosen: where it is furthest below the straight line between its ends (as
in Satopaa et al., "Finding a kneedle in a haystack", 2011).
"""

from __future__ import annotations

import torch

from panda.errors import PandaError
from panda.factorization.solvers.joint import LEAST_SAMPLES, STABLE, Solution, joint
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
    if statistics.count < LEAST_SAMPLES:
        raise PandaError(
            f"the number of parts cannot be chosen from {statistics.count} samples; give at least"
            f" {LEAST_SAMPLES} seeds, or a number of parts"
        )
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
    losses = torch.tensor([row["loss"] for row in curve], dtype=torch.float64)
    below = torch.linspace(float(losses[0]), float(losses[-1]), len(losses)) - losses
    stable = torch.tensor([row["stability"] >= STABLE for row in curve])
    if stable.any():
        below[~stable] = -torch.inf
    chosen = int(below.argmax())
    note(
        f"{solutions[chosen].parts.shape[1]} parts were chosen: parts, loss and the least"
        " stability are "
        + ", ".join("{parts} {loss:.4f} {stability:.2f}".format(**row) for row in curve)
    )
    return solutions[chosen], curve
