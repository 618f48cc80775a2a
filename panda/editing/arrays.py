"""Masks and directions that are given as arrays, in place of the names of their files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from panda.errors import PandaError
from panda.generators.seeds import as_whole


@dataclass(frozen=True, eq=False)
class Array:
    """Numbers that compare and hash by value, as everything does that an edit has.

    Attributes:
        values: float32, on the CPU.
    """

    values: Tensor

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Array) and torch.equal(self.values, other.values)

    def __hash__(self) -> int:
        return hash((tuple(self.values.shape), self.values.numpy().tobytes()))

    @property
    def size(self) -> str:
        """Its shape, such as ``"[64 x 64]"``."""
        return f"[{' x '.join(map(str, self.values.shape))}]"


def as_mask(where: object) -> Array | None:
    """Return a mask of the whole image, ``[H, W]`` or one for each sample ``[N, H, W]``.

    Its proportions are those of the images, which `panda.editing.edits.Edit.check` knows.

    Args:
        where: An array of NumPy or torch of two or three dimensions: numbers in [0, 1], booleans,
            or bytes up to 255. Anything else is no mask, and None is returned.

    Raises:
        PandaError: Where it is empty, or its numbers are not in [0, 1].
    """
    if getattr(where, "ndim", 0) not in (2, 3):
        return None
    values = _floats(where, "mask")
    if not values.numel():
        raise PandaError(
            f"a mask of shape {list(values.shape)} was given, expected one of the whole image,"
            " [H, W], or one for each sample, [N, H, W]"
        )
    if str(getattr(where, "dtype", "")).endswith("uint8") and float(values.max()) > 1:
        values = values / 255
    if float(values.min()) < 0 or float(values.max()) > 1:
        raise PandaError(
            f"a mask of numbers from {float(values.min()):g} to {float(values.max()):g} was given,"
            " expected 0 (outside) to 1 (inside)"
        )
    return Array(values[0] if values.ndim == 3 and len(values) == 1 else values)


def as_direction(what: object) -> Array | None:
    """Return a direction of latents ``[D]``.

    Args:
        what: An array of NumPy or torch, ``[D]`` or ``[1, D]``. Anything else, and a single whole
            number, is no direction, and None is returned.

    Raises:
        PandaError: Where it has another shape.
    """
    if getattr(what, "ndim", 0) == 0 or as_whole(what) is not None:
        return None
    values = _floats(what, "direction")
    if values.ndim > 2 or (values.ndim == 2 and len(values) != 1):
        raise PandaError(
            f"a direction of shape {list(values.shape)} was given, expected [D] or [1, D]"
        )
    return Array(values.reshape(-1))


def _floats(array: Any, what: str) -> Tensor:
    """Return a copy as float32 on the CPU; raise `PandaError` for what are no finite numbers."""
    try:
        given = torch.as_tensor(array).detach()
        if given.is_complex():
            raise TypeError
        values = given.to("cpu", torch.float32, copy=True)
    except (TypeError, ValueError, RuntimeError):
        raise PandaError(f"a {what} is {array!r:.60}, expected an array of numbers") from None
    if not bool(values.isfinite().all()):
        raise PandaError(f"the {what} of shape {list(values.shape)} has NaN or infinite values")
    return values.contiguous()
