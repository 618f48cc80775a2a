"""Labels: the class or the text that a sample is made for, by number, by name or as it is.

A generator declares in `labels` what it takes. Callers give a number, a name or a text, one for all
samples or one for each; a backend gets an int for a class and a str for a text.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from panda.errors import PandaError, nearest
from panda.generators.seeds import as_whole

if TYPE_CHECKING:
    from panda.generators.contract import Generator

P = ParamSpec("P")
R = TypeVar("R")

ANY_TEXT = "any text"
"""The `labels` of a generator that is conditioned on text."""

Names = tuple[str, ...] | str
"""What `labels` can be: the names of the classes in the order of their numbers, or `ANY_TEXT`."""

Label = int | str
"""A label as a backend gets it: the number of a class, or a text."""

SHOWN = 8
"""How many of a generator's classes an error lists."""


def as_names(labels: Any) -> Names:
    """Return names of classes as a tuple, and `ANY_TEXT` as it is.

    Raises:
        PandaError: For anything else.
    """
    if isinstance(labels, str):
        if labels != ANY_TEXT:
            raise PandaError(
                f"labels {labels!r:.60} are neither {ANY_TEXT!r} nor the names of classes, such as"
                f" ({labels!r:.60},)"
            )
        return labels
    names = tuple(labels) if isinstance(labels, Iterable) else (labels,)
    if any(not isinstance(name, str) or not name.strip() for name in names):
        raise PandaError(f"labels {labels!r:.60} are not names of classes, nor {ANY_TEXT!r}")
    return names


def as_label(
    label: Any, generator: Generator | Names, name: str = "this generator"
) -> Label | None:
    """Return one label as a backend gets it; None where it is neither number nor text.

    Upper and lower case, hyphens and underscores make no difference to a name. Text that is a
    number is that class, unless a class has this name. Numbers of classes without names are left
    to the backend.

    Args:
        label: The number, name or text.
        generator: Whose label it is, or its `labels`.
        name: What errors call it where only its `labels` are given.

    Raises:
        PandaError: For a class that there is not, and a number where texts are taken.
    """
    labels = generator if isinstance(generator, tuple | str) else generator.labels
    name = name if isinstance(generator, tuple | str) else generator.name or name
    if not isinstance(label, str):
        whole = as_whole(label)
        if whole is not None and isinstance(labels, str):
            raise PandaError(f"{name} takes any text, but the number {whole} was given")
        return whole if whole is None else _as_class(whole, labels, name)
    if isinstance(labels, str):
        return label
    if (number := _find(label, labels)) is not None:
        return number
    if re.fullmatch(r"\s*[0-9]{1,9}\s*", label):
        return _as_class(int(label), labels, name)
    if not labels:
        raise PandaError(
            f"the class {label!r:.60} is no number, and the classes of {name} have no names"
        )
    raise PandaError(f"{name} has no class {label!r:.60}{_suggestion(label, labels)}")


def as_labels(
    label: Any, count: int, generator: Generator | Names, name: str = "this generator"
) -> Label | list[Label] | None:
    """Return one label, one for each of ``count`` samples, or None, as a backend gets it.

    Args:
        label: A number, name or text, or a sequence or array with one for each sample.
        count: The number of samples.
        generator: See `as_label`.
        name: See `as_label`.

    Raises:
        PandaError: As `as_label` does, for anything else, and for another number of labels.
    """
    if label is None or (single := as_label(label, generator, name)) is not None:
        return None if label is None else single
    given = label.tolist() if hasattr(label, "tolist") else label
    # An array of one element without dimensions has a list of one number, or a number.
    given = list(given) if isinstance(given, Iterable) and not isinstance(given, str) else None
    labels = [] if given is None else [as_label(each, generator, name) for each in given]
    if given is None or None in labels:
        raise PandaError(
            f"label {label!r:.60} is not a whole number or text, or a list with one for each seed"
        )
    if len(labels) != count:
        raise PandaError(
            f"{len(labels)} labels were given for {count} seeds; give one label for all, or one"
            " for each seed"
        )
    return [each for each in labels if each is not None]


def label_text(label: Label, labels: Names) -> str:
    """Return how a label is written: the name of its class where it has one."""
    named = isinstance(label, int) and not isinstance(labels, str) and 0 <= label < len(labels)
    return labels[label] if named else str(label)  # type: ignore[index]


def _as_class(number: int, labels: Sequence[str], name: str) -> int:
    """Return the number of a class; raises `PandaError` beyond the names, if there are any."""
    if labels and not 0 <= number < len(labels):
        shown = ", ".join(labels[:SHOWN]) + (", ..." if len(labels) > SHOWN else "")
        raise PandaError(
            f"{name} has classes 0 to {len(labels) - 1} ({shown}), but {number} was given"
        )
    return number


def _find(text: str, labels: Sequence[str]) -> int | None:
    """Return the number of the class of a name; None where there is none, or more than one."""
    if text in labels:
        return labels.index(text)
    wanted = _folded(text)
    found = [number for number, name in enumerate(labels) if _folded(name) == wanted]
    return found[0] if len(found) == 1 else None


def _folded(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name).strip().casefold()


def _suggestion(text: str, labels: Sequence[str]) -> str:
    """Name the classes that have this as a word of theirs, or else the nearest."""
    wanted = _folded(text)
    matches = [name for name in labels if wanted and wanted in _folded(name).split()]
    if not matches:
        return nearest(text, labels)
    shown = " or ".join(repr(match) for match in matches[: SHOWN // 2])
    more = f" ({len(matches)} names have this word)" if matches[SHOWN // 2 :] else ""
    return f"; did you mean {shown}?{more}"


class OldClassNames:
    """The attribute ``class_names``, which ``labels`` has replaced.

    It is here for one minor version, for plugins and scripts that were written before.
    """

    def __get__(self, owner: Any, kind: type | None = None) -> Any:
        if owner is None:
            return self
        _warn(f"{type(owner).__name__}.class_names is now labels")
        return () if isinstance(owner.labels, str) else owner.labels

    def __set__(self, owner: Any, value: Any) -> None:
        _warn(f"{type(owner).__name__} sets class_names; set labels instead")
        owner.labels = as_names(value)

    @staticmethod
    def of_class(kind: type) -> None:
        """Give a class that has ``class_names`` of its own ``labels`` in their place."""
        kind.labels = as_names(vars(kind)["class_names"])  # type: ignore[attr-defined]
        delattr(kind, "class_names")
        _warn(f"{kind.__name__} has class_names; call them labels instead")


def takes_class_names(function: Callable[P, R]) -> Callable[P, R]:
    """Wrap the card, which took ``class_names`` by this name and now takes ``labels``."""

    @wraps(function)
    def renamed(*args: P.args, **kwargs: P.kwargs) -> R:
        if "class_names" in kwargs:
            name = function.__qualname__.removesuffix(".__init__")
            # `takes_resolution` is around it.
            _warn(f"{name}(class_names=...) is now {name}(labels=...)", stacklevel=4)
            kwargs["labels"] = kwargs.pop("class_names")
        return function(*args, **kwargs)

    return renamed


def _warn(sentence: str, stacklevel: int = 3) -> None:
    warnings.warn(sentence, DeprecationWarning, stacklevel=stacklevel)
