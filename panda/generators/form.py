"""The form of what backends return: images as size and channels say, features as their layer does.

Every verb passes here, so that a backend whose images or features have another form says so in a
sentence, and nothing is computed of what lies elsewhere than it seems.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any

from panda.errors import PandaError
from panda.shapes import size_text

if TYPE_CHECKING:
    from panda.generators.contract import Generator, Latents, State

Method = Callable[..., Any]


class FormError(PandaError):
    """What a backend returned has another form than it says."""


def gives_features(method: Method) -> Method:
    """Wrap a backend's ``head`` or ``advance``, so that its features are as their layer says."""

    def check(self: Generator, state: Any, given: Latents | State, name: Any) -> None:
        layer = self.layers.get(name)
        if layer is not None:
            expected = [_count(given), layer.channels, layer.height, layer.width]
            found = _found(getattr(state, "x", state))
            if found != expected:
                raise FormError(
                    f"{method.__name__} of {self.name} gives features {found} at {layer.name},"
                    f" expected {expected}, [N, channels, height, width] of its Layer"
                )

    return _checked(method, check)


def gives_images(method: Method) -> Method:
    """Wrap a backend's ``tail`` or ``forward``, so that its images are as size and channels say."""

    def check(self: Generator, images: Any, given: Latents | State, _layer: Any) -> None:
        size: Any = getattr(self, "size", None)
        if size is None:  # while it is being built
            return
        expected = [_count(given), self.channels, *(size if isinstance(size, Sequence) else [size])]
        found = _found(images)
        if found != expected or len(expected) != 4:
            said = size_text(size) if len(expected) == 4 else repr(size)
            raise FormError(
                f"{method.__name__} of {self.name} gives images {found}, expected {expected}: its"
                f" size, height and width, is {said}, and its channels are {self.channels}"
            )

    return _checked(method, check)


def _checked(method: Method, check: Callable[..., None]) -> Method:
    """Wrap a method, so that ``check`` sees what it returns; one that is wrapped stays as it is.

    A subclass may call that of its parent and return something else: only what callers get counts.
    """
    if getattr(method, "checks_form", False):
        return method
    name = method.__name__

    @wraps(method)
    def check_after(self: Generator, *args: Any, **options: Any) -> Any:
        result = method(self, *args, **options)
        if getattr(type(self), name, None) is check_after:
            values = (*args, *options.values())  # latents or a state, and names of layers
            check(self, result, values[0], options.get("to_layer", values[-1]))
        return result

    check_after.checks_form = True  # type: ignore[attr-defined]
    return check_after


def _count(given: Any) -> int:
    """Return the number of samples, of latents or of a state."""
    return len(getattr(given, "x", given))


def _found(value: Any) -> list[int] | str:
    """Return a shape, or the type of what has none."""
    shape = getattr(value, "shape", None)
    return f"of type {type(value).__name__}" if shape is None else list(shape)
