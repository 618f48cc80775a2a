"""What a trial costs, before it starts: a few timed passes, times how often the checks run them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from panda.testing.trial import Trial

T = TypeVar("T")

WHOLE, HEADS, TAILS = 21, 15, 20
"""Samples that all checks pass through the whole generator or parts of it, whatever the layers, and
those that they pass to each layer and on from it. A test counts them."""

BACKWARD = 3
"""What a pass with its gradients costs, in passes without; one sample at each layer has them."""


def estimate(trial: Trial) -> float:
    """Return about how many seconds the checks of a trial take, from passes of two samples.

    A generator that cannot even be timed takes no time: its checks fail at once.
    """
    try:
        generator, latents = trial.generator, trial.latents
        layer = trial.chosen[len(trial.chosen) // 2]
        whole, _ = _timed(lambda: generator.forward(latents))
        head, state = _timed(lambda: generator.head(latents, layer))
        tail, _ = _timed(lambda: generator.tail(state, layer))
    except (Exception, SystemExit):  # a backend may fail in any way at all
        return 0.0
    each = HEADS * head + (TAILS + BACKWARD - 1) * tail
    return (WHOLE * whole + len(trial.chosen) * each) / len(latents)


def _timed(run: Callable[[], T]) -> tuple[float, T]:
    """Return the seconds that a call takes, and what it returns."""
    started = time.perf_counter()
    result = run()
    return time.perf_counter() - started, result
