"""Labels and truncation: what the backends' ``sample`` methods share."""

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
    """Return one-hot labels ``[N, classes]``, or None for a generator without classes.

    Args:
        generator: The generator's name, for messages.
        classes: Number of its classes; 0 where it is unconditional.
        seeds: The seeds of the N samples.
        label: The class of all samples; None draws the class of sample i from ``seeds[i]``.
        like: A tensor whose dtype and device the labels take.

    Raises:
        PandaError: The generator does not have that label.
    """
    if not classes:
        refuse_label(generator, label)
        return None
    if label is None:
        labels = [int(np.random.default_rng(seed).integers(classes)) for seed in seeds]
    elif 0 <= label < classes:
        labels = [label] * len(seeds)
    else:
        raise PandaError(f"{generator} has classes 0 to {classes - 1}, but {label} was given")
    return F.one_hot(torch.tensor(labels), classes).to(like)


def refuse_label(generator: str, label: int | None) -> None:
    """Raise `PandaError` where a label was given to a generator without classes."""
    if label is not None:
        raise PandaError(f"{generator} has no classes, but label {label} was given")


def check_labels(generator: str, classes: int, labels: Tensor | None) -> None:
    """Raise `PandaError` unless ``labels`` are ``[N, classes]``, or None without classes."""
    given = 0 if labels is None else labels.shape[-1]
    if given != classes:
        raise PandaError(f"{generator} has {classes} classes, but labels of {given} were given")


def truncate(w: Tensor, mean: Tensor, psi: float, layers: int, cutoff: int | None) -> Tensor:
    """Repeat w for every layer, the first layers truncated (arXiv 1812.04948, appendix B).

    Args:
        w: ``[N, D]``.
        mean: The mean of w, ``[D]``.
        psi: Factor of w's distance from the mean: 1 leaves w unchanged, 0 returns the mean.
        layers: Number of layers.
        cutoff: Number of layers that are truncated; None truncates all.

    Returns:
        ``[N, layers, D]``.
    """
    truncated = layers if cutoff is None else max(0, min(cutoff, layers))
    return torch.stack([mean.lerp(w, psi)] * truncated + [w] * (layers - truncated), 1)
