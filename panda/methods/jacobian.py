"""How images change with a latent: Jacobians by forward mode, a batch of directions at a time."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from panda.errors import PandaError
from panda.progress import bar

STEP = 1e-2
"""Of central differences, times the norm of a direction."""


def jacobian(
    function: Callable[[Tensor], Tensor], point: Tensor, directions: Tensor, batch: int = 8
) -> Tensor:
    """Derivatives ``[K, *out]`` of ``function`` at a point ``[D]`` along directions ``[K, D]``.

    ``function`` takes points ``[B, D]`` and gives ``[B, *out]``, each row from its own point alone.
    Forward mode (`torch.func.jvp`); where an operation of the network has no forward rule, central
    differences, whose error is of the order of `STEP` squared. Raises `PandaError` for results that
    are not finite.
    """
    rows = []
    with bar(total=len(directions), desc="derivatives", unit="dir") as progress, torch.no_grad():
        for chunk in torch.split(directions, batch):
            rows.append(_derivatives(function, point.repeat(len(chunk), 1), chunk))
            progress.update(len(chunk))
    found = torch.cat(rows)
    if not bool(torch.isfinite(found).all()):
        raise PandaError("the derivatives of the images hold NaN or infinity")
    return found


def _derivatives(
    function: Callable[[Tensor], Tensor], points: Tensor, directions: Tensor
) -> Tensor:
    try:
        with warnings.catch_warnings():  # torch's own use of what it has deprecated
            warnings.filterwarnings("ignore", ".*torch.jit.script.*")
            tangents: Tensor = torch.func.jvp(function, (points,), (directions,))[1]
        return tangents
    except (NotImplementedError, RuntimeError) as error:
        if "forward AD" not in str(error):
            raise
    ahead, behind = function(points + STEP * directions), function(points - STEP * directions)
    return (ahead - behind) / (2 * STEP)
