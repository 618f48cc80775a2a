"""Every method by name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace

from panda.directions.ganspace import GANSpace
from panda.directions.gradient import Gradient
from panda.directions.localdiff import LocalDiff
from panda.directions.loco import LOCO
from panda.directions.lowrankgan import LowRankGAN
from panda.directions.method import Method
from panda.directions.random import Random
from panda.directions.resefa import ReSeFa
from panda.directions.sefa import SeFa
from panda.directions.stylespace import StyleSpace
from panda.errors import PandaError, nearest
from panda.methods.coordinates import Coordinates
from panda.methods.parts import PandA
from panda.methods.published import Published

METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        *(GANSpace(), SeFa(), StyleSpace(), LowRankGAN(), ReSeFa(), PandA()),
        *(LocalDiff(), LOCO(), Random()),
    )
}
"""Methods with their authors' settings: six in the order of the paper's table, two that were made
for diffusion models, and a baseline."""

SUPERVISED: dict[str, Method] = {method.name: method for method in (Gradient(), Coordinates())}
"""Methods that are told by face parsing what an edit is to do, by name: for the scale, since face
parsing is also what measures edits."""


def find_method(name: str, settings: Iterable[str] = ()) -> Method:
    """Return a method by name.

    Args:
        name: One of `METHODS` or `SUPERVISED`, or ``"published"``, for direction files alone.
        settings: Such as ``"images=2"``, in place of its authors' settings.

    Raises:
        PandaError: Where there is no such method or setting, or a value is negative or of another
            kind.
    """
    methods = {**METHODS, **SUPERVISED, Published.name: Published()}
    if name not in methods:
        raise PandaError(f"there is no method {name!r}{nearest(name, methods)}")
    method = methods[name]
    known = {field.name for field in fields(method)}
    for text in settings:
        key, _, value = text.partition("=")
        if key not in known:
            raise PandaError(f"{name} has no setting {key!r}{nearest(key, known)}")
        kind = type(getattr(method, key))
        try:
            parsed = {"True": True, "False": False}[value] if kind is bool else _parse(kind, value)
        except (KeyError, ValueError):
            raise PandaError(f"setting {key} of {name} cannot be {value!r}") from None
        if isinstance(parsed, int) and parsed < 0:
            raise PandaError(f"setting {key} of {name} is {parsed}, expected 0 or more")
        method = replace(method, **{key: parsed})
    return method


def _parse(kind: type, value: str) -> object:
    """Return a setting's value; the settings that are None by default are whole numbers."""
    return int(value) if kind is type(None) else kind(value)
