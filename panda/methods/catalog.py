"""Every method by name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace

from panda.errors import PandaError, nearest
from panda.methods.ganspace import GANSpace
from panda.methods.lowrankgan import LowRankGAN
from panda.methods.method import Method
from panda.methods.parts import PandA
from panda.methods.published import Published
from panda.methods.resefa import ReSeFa
from panda.methods.sefa import SeFa
from panda.methods.stylespace import StyleSpace

METHODS: dict[str, Method] = {
    method.name: method
    for method in (GANSpace(), SeFa(), StyleSpace(), LowRankGAN(), ReSeFa(), PandA())
}
"""With their authors' settings, in the order of the paper's table."""


def find_method(name: str, settings: Iterable[str] = ()) -> Method:
    """A method by name, with settings such as ``"images=2"`` in place of its authors'.

    Beside `METHODS` there is ``published``, for direction files alone.

    Raises `PandaError` for a name or setting that there is not, or a value of another kind.
    """
    known_methods = {**METHODS, Published.name: Published()}
    if name not in known_methods:
        raise PandaError(f"there is no method {name!r}{nearest(name, known_methods)}")
    method = known_methods[name]
    known = {field.name for field in fields(method)}
    for text in settings:
        key, _, value = text.partition("=")
        if key not in known:
            raise PandaError(f"{name} has no setting {key!r}{nearest(key, known)}")
        kind = type(getattr(method, key))
        try:
            read = {"True": True, "False": False}[value] if kind is bool else _read(kind, value)
        except (KeyError, ValueError):
            raise PandaError(f"setting {key} of {name} cannot be {value!r}") from None
        method = replace(method, **{key: read})
    return method


def _read(kind: type, value: str) -> object:
    return int(value) if kind is type(None) else kind(value)
