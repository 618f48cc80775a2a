"""The loss of factors: the squared error of their reconstruction, as a fraction of the energy.

It is measured on the finished factors, as a sum of squares. A solver's own account of it is only
compared: where the descent went astray, that account did too.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from panda.errors import PandaError
from panda.factorization import processes
from panda.factorization.features import Features
from panda.factorization.statistics import Statistics

CHECKED = 4
"""The number of samples whose true features are compared with what the statistics have of them."""

AGREEMENT = 0.02
"""How far two accounts of a loss may differ, as fractions of the energy: the spatial basis makes a
difference of 0.001 at most on the generators here, and rounding far less."""


def reconstruction_loss(A: Tensor, P: Tensor, features: Iterable[Tensor]) -> float:
    """Return the exact loss over a stream of features.

    Args:
        A: Appearances ``[C, R_C]``.
        P: Parts ``[S, R_S]``.
        features: Batches ``[B, C, S]``.

    Returns:
        The squared error of the reconstruction, as a fraction of the features' energy.
    """
    loss = energy = 0.0
    for Z in features:
        A, P = A.to(Z), P.to(Z)
        loss += float(_squares(Z - (A @ (A.T @ (Z @ P))) @ P.T))
        energy += float(_squares(Z))
    return loss / energy


def compressed_loss(A: Tensor, P: Tensor, statistics: Statistics) -> float:
    """Return the loss over compressed samples.

    It takes features outside the spatial basis for lost. Parts see a little of them, and by that it
    differs from `reconstruction_loss`; with a basis of all positions, by rounding alone.

    Args:
        A: Appearances ``[C, R_C]``.
        P: Parts ``[S, R_S]``.
        statistics: The samples.
    """

    def terms(z: Tensor, *factors: Tensor) -> tuple[Tensor]:
        return (_error(z, *factors),)

    (error,) = statistics.sum(terms, A, *_in_basis(P, statistics))
    return float(error) / statistics.energy + statistics.discarded


def check_agreement(solver: float, measured: float) -> None:
    """Raise `PandaError` where a solver's account of a loss is not what its factors have."""
    if not abs(solver - measured) <= AGREEMENT:  # also where one is NaN
        raise PandaError(
            f"the solver ended at a loss of {solver:.4g}, but its factors have {measured:.4g}:"
            " these samples do not determine them; fit more samples, or fewer parts and appearances"
        )


def check_true_samples(A: Tensor, P: Tensor, statistics: Statistics, features: Features) -> None:
    """Compare the loss of the first samples with that of their true features.

    Args:
        A: Appearances ``[C, R_C]``.
        P: Parts ``[S, R_S]``.
        statistics: The samples.
        features: Where the samples come from.

    Raises:
        PandaError: Where both differ by more than `AGREEMENT`.
    """
    few = features.first(CHECKED)
    Z = torch.cat([few[index] for index in range(len(few))])
    z = statistics.first(len(Z))
    energy = float(_squares(Z))
    factors = (factor.to(z) for factor in (A, *_in_basis(P, statistics)))
    seen = (float(_error(z, *factors)) + energy - float(_squares(z))) / (energy or 1.0)
    true = reconstruction_loss(A, P, [Z]) if energy else 0.0
    if not processes.all_agree(abs(seen - true) <= AGREEMENT):
        raise PandaError(
            f"the first {len(Z)} samples have a loss of {true:.4g}, but {seen:.4g} by what the fit"
            f" keeps of them: {features.generator.name} gives other features for the same seeds, or"
            " the fit's intermediate results are damaged; fit again in a new folder"
        )


def _in_basis(P: Tensor, statistics: Statistics) -> tuple[Tensor, Tensor]:
    """Return parts in the spatial basis ``[K, R_S]``, and the triangle of what lies outside."""
    P = P.to(statistics.basis)
    inside = statistics.basis.T @ P
    return inside, torch.linalg.qr(P - statistics.basis @ inside, mode="r")[1]


def _error(z: Tensor, A: Tensor, inside: Tensor, outside: Tensor) -> Tensor:
    """Return the squared error of the reconstruction of compressed samples ``[B, C, K]``."""
    columns = (z @ inside).movedim(1, 0)
    change = (A @ (A.T @ columns.flatten(1))).view(columns.shape).movedim(0, 1)
    return _squares(z - change @ inside.T) + _squares(change @ outside.T)


def _squares(x: Tensor) -> Tensor:
    """Return the sum of all squares ``[B, C, S]``, float64."""
    return x.square().sum(2).double().sum()
