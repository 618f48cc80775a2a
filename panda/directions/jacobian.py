"""Jacobians of images with respect to a latent: forward mode, a batch of directions at a time."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from panda.errors import PandaError
from panda.progress import bar

STEP = 1e-2
"""The step of central differences, times the norm of a direction."""


def jacobian(
    function: Callable[[Tensor], Tensor], point: Tensor, directions: Tensor, batch: int = 8
) -> Tensor:
    """Return the derivatives of a function along some directions.

    Forward mode (`torch.func.jvp`); where an operation of the network has no forward rule, central
    differences, whose error is of the order of `STEP` squared.

    Args:
        function: From points ``[B, D]`` to ``[B, *out]``, each row from its point alone.
        point: Where the derivatives are taken, ``[D]``.
        directions: ``[K, D]``.
        batch: B, the directions at a time.

    Returns:
        ``[K, *out]``.

    Raises:
        PandaError: Where a derivative is not finite.
    """
    rows = []
    with bar(total=len(directions), desc="derivatives", unit="dir") as progress, torch.no_grad():
        for chunk in torch.split(directions, batch):
            rows.append(derivatives(function, point.repeat(len(chunk), 1), chunk))
            progress.update(len(chunk))
    result = torch.cat(rows)
    if not bool(torch.isfinite(result).all()):
        raise PandaError("the derivatives of the images hold NaN or infinity")
    return result


def derivatives(function: Callable[[Tensor], Tensor], points: Tensor, directions: Tensor) -> Tensor:
    """Return the derivatives of a function at some points, each along a direction of its own.

    Args:
        function: From points ``[B, *in]`` to ``[B, *out]``, each row from its point alone.
        points: ``[B, *in]``.
        directions: ``[B, *in]``.

    Returns:
        ``[B, *out]``, by forward mode or central differences; see `jacobian`.
    """
    try:
        with warnings.catch_warnings():  # torch itself uses what it has deprecated
            warnings.filterwarnings("ignore", ".*torch.jit.script.*")
            tangents: Tensor = torch.func.jvp(function, (points,), (directions,))[1]
        return tangents
    except (NotImplementedError, RuntimeError) as error:
        if "forward AD" not in str(error):
            raise
    ahead, behind = function(points + STEP * directions), function(points - STEP * directions)
    return (ahead - behind) / (2 * STEP)
