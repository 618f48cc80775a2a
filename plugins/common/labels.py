"""Classes of conditional generators: one for all samples, or one drawn by each seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from panda.errors import PandaError


def classes_of(
    seeds: Sequence[int], label: int | None, classes: int, name: str
) -> torch.Tensor | None:
    """Class indices ``[N]``; None for a generator without classes (``classes`` is 0).

    Without a label each sample's class is drawn by its seed. Raises `PandaError` for a label that
    the generator has not.
    """
    if not classes:
        if label is not None:
            raise PandaError(f"{name} has no classes, but label {label} was given")
        return None
    if label is None:
        drawn = [int(np.random.default_rng(seed).integers(classes)) for seed in seeds]
        return torch.tensor(drawn)
    if not 0 <= label < classes:
        raise PandaError(f"{name} has classes 0 to {classes - 1}, but label {label} was given")
    return torch.full((len(seeds),), label)
