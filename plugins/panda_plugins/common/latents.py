"""Labels and truncation, as every StyleGAN samples them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from panda.errors import PandaError


def one_hot(
    generator: str, classes: int, seeds: Sequence[int], label: int | None, like: Tensor
) -> Tensor | None:
    """One-hot labels ``[N, classes]``, or None for a generator without classes.

    Without a label the class of sample i is drawn from ``seeds[i]``. Raises `PandaError` for a
    label that the generator does not have.
    """
    if not classes:
        if label is not None:
            raise PandaError(f"{generator} has no classes, but label {label} was given")
        return None
    if label is None:
        chosen = [int(np.random.default_rng(seed).integers(classes)) for seed in seeds]
    elif 0 <= label < classes:
        chosen = [label] * len(seeds)
    else:
        raise PandaError(f"{generator} has classes 0 to {classes - 1}, but {label} was given")
    return F.one_hot(torch.tensor(chosen), classes).to(like)


def check_labels(generator: str, classes: int, labels: Tensor | None) -> None:
    """Raise `PandaError` unless ``labels`` are ``[N, classes]``, or None without classes."""
    given = 0 if labels is None else labels.shape[-1]
    if given != classes:
        raise PandaError(f"{generator} has {classes} classes, but labels of {given} were given")


def truncate(w: Tensor, mean: Tensor, psi: float, layers: int, cutoff: int | None) -> Tensor:
    """Give each of ``layers`` its w ``[N, layers, D]``; the first ``cutoff`` move to the mean.

    ``w`` is ``[N, D]``; psi 1 leaves it, 0 gives the mean; a cutoff of None moves all.
    """
    moved = layers if cutoff is None else max(0, min(cutoff, layers))
    return torch.stack([mean.lerp(w, psi)] * moved + [w] * (layers - moved), 1)
