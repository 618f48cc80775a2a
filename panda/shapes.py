"""The shape of images: their size (height, width) and their channels. Without torch, for cards."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from panda.errors import PandaError

P = ParamSpec("P")
R = TypeVar("R")

Size = tuple[int, int]
"""Height and width, in pixels."""

SizeLike = int | Sequence[int]
"""A size that is asked for: height and width, or the longer side alone (`resized`)."""

CHANNELS = {1: "gray", 3: "RGB", 4: "RGBA"}
"""What images can be, by the number of their channels."""


def as_size(value: Any) -> Size:
    """Return (height, width) of what may also be one number, the side of a square.

    Raises:
        PandaError: For anything else, and for sides that are not positive.
    """
    try:
        height, width = map(operator.index, value if isinstance(value, Iterable) else [value] * 2)
    except (TypeError, ValueError):  # no whole numbers, or not two
        height = width = 0
    if min(height, width) < 1:
        raise PandaError(
            f"size {value!r:.60} is not (height, width) in pixels, or the side of a square"
        )
    return height, width


def as_channels(value: Any) -> int:
    """Return the channels of images: 1 (gray), 3 (RGB) or 4 (RGBA).

    Raises:
        PandaError: For anything else.
    """
    if value not in CHANNELS:
        raise PandaError(f"channels {value!r:.60} are not 1 (gray), 3 (RGB) or 4 (RGBA)")
    return int(value)


def within(size: Sequence[int], longest: int) -> Size:
    """Return the size of the same shape, nearly, whose longer side is ``longest``."""
    height, width = size
    scale = longest / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def resized(size: Sequence[int], asked: SizeLike | None) -> Size:
    """Return the size that is asked for: a number is the longer side, None leaves it.

    Raises:
        PandaError: For anything else.
    """
    height, width = size
    if asked is None:
        return height, width
    wanted = as_size(asked)
    return wanted if isinstance(asked, Iterable) else within((height, width), wanted[0])


def same_shape(size: Sequence[int], other: Sequence[int]) -> bool:
    """Return whether two sizes have the same proportions, to a pixel."""
    if min(*size, *other) < 1:
        return False
    nearest = within(other, max(size))
    return max(abs(a - b) for a, b in zip(size, nearest, strict=True)) <= 1


def size_text(size: Sequence[int]) -> str:
    """Return a size in words, ``"64 x 128"`` for 64 rows of 128 pixels."""
    return f"{size[0]} x {size[1]}"


def kind_of_images(size: Size, channels: int) -> str:
    """Return what images are, in words: ``"gray images of 64 x 128 pixels"``."""
    return f"{CHANNELS[channels]} images of {size_text(size)} pixels"


class OldResolution:
    """The attribute ``resolution``, which ``size`` has replaced; it works for squares.

    It is here for one minor version, for plugins and scripts that were written before.
    """

    def __get__(self, owner: Any, kind: type | None = None) -> Any:
        if owner is None:
            return self
        height, width = owner.size
        _warn(f"{type(owner).__name__}.resolution is now size, (height, width)")
        if height != width:
            raise PandaError(
                f"images of {size_text(owner.size)} pixels have no resolution; read size, which is"
                " (height, width)"
            )
        return height

    def __set__(self, owner: Any, value: Any) -> None:
        _warn(f"{type(owner).__name__} sets resolution; set size = (height, width) instead")
        owner.size = as_size(value)

    @staticmethod
    def of_class(kind: type) -> None:
        """Give a class that has ``resolution`` of its own ``size`` in its place."""
        old = vars(kind)["resolution"]
        delattr(kind, "resolution")
        _warn(f"{kind.__name__} has resolution; give it size = (height, width) instead")
        size = as_size(old) if isinstance(old, int) else property(lambda me: as_size(old.fget(me)))
        kind.size = size  # type: ignore[attr-defined]


def takes_resolution(function: Callable[P, R]) -> Callable[P, R]:
    """Wrap what took ``resolution`` by its name, and now takes ``size``."""

    @wraps(function)
    def renamed(*args: P.args, **kwargs: P.kwargs) -> R:
        if "resolution" in kwargs:
            name = function.__qualname__.removesuffix(".__init__")
            _warn(f"{name}(resolution=...) is now {name}(size=...), (height, width)")
            kwargs["size"] = kwargs.pop("resolution")
        return function(*args, **kwargs)

    return renamed


def _warn(sentence: str) -> None:
    warnings.warn(sentence, DeprecationWarning, stacklevel=3)
