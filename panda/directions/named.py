"""Directions of methods by name: ``sefa/3``, ``stylespace/16.conv1.5``, ``loco/eyes.0``.

Each method has its default settings. What takes more than moments to find is kept in the cache.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from weakref import WeakKeyDictionary

from torch import Tensor

from panda.directions.changes import (
    FeatureChange,
    LatentChange,
    StyleChange,
    WChange,
    ZChange,
)
from panda.directions.ganspace import GANSpace
from panda.directions.gradient import Gradient, along
from panda.directions.kept import kept
from panda.directions.localdiff import LocalDiff
from panda.directions.loco import LOCO
from panda.directions.lowrankgan import LowRankGAN
from panda.directions.method import Method
from panda.directions.random import Random
from panda.directions.resefa import ReSeFa
from panda.directions.sefa import SeFa
from panda.directions.stylespace import StyleSpace, style_deviations
from panda.errors import PandaError, nearest
from panda.factorization.usual import usual_place
from panda.generators.contract import Generator
from panda.generators.faces import makes_faces
from panda.generators.latent_spaces import has_w, unwrapped, w_space
from panda.metrics.regions import Boxes

Slots = tuple[int, int | None] | None
"""The first slot of w that moves and the one after the last; None where the text names none."""

REGIONS = Boxes()
"""Where methods look for directions of regions: LowRankGAN's boxes for aligned faces."""

Named = LatentChange | FeatureChange
"""What a name can stand for."""

_FOUND: WeakKeyDictionary[Generator, dict[tuple[str, str, Slots, str], Named]] = WeakKeyDictionary()
"""What was found in each generator that is in use."""


def check_method(name: str) -> None:
    """Raise `PandaError` for what is none of `FINDERS` and `FEATURE_FINDERS`."""
    known = [*FINDERS, *FEATURE_FINDERS]
    if name not in known:
        raise PandaError(f"there is no method {name!r} of directions{nearest(name, known)}")


def find_direction(
    name: str, key: str, generator: Generator, slots: Slots = None, layer: str = ""
) -> Named:
    """Return a direction of a method.

    Args:
        name: ``ganspace``, ``sefa``, ``random``, ``stylespace``, ``lowrankgan``, ``resefa``,
            ``gradient``, ``localdiff`` or ``loco``.
        key: Which one: a number (the first three), ``SLOT.CHANNEL`` (StyleSpace), ``REGION.K``
            (LocalDiff, LOCO), ``REGION.K`` and ``REGION.K.IMAGE`` (LowRankGAN, ReSeFa), or a
            measure such as ``lip_corners``.
        generator: The generator.
        slots: The slots that it moves; by default all, or those of the method's settings. SeFa
            finds other directions for other slots.
        layer: The layer whose features LocalDiff and LOCO move; by default the usual one
            (`panda.factorization.usual.usual_place`).

    Raises:
        PandaError: Where there is no such method or direction, or the generator lacks the latent
            space.
    """
    check_method(name)
    found = _FOUND.setdefault(generator, {})
    given = name, key, slots, layer if name in FEATURE_FINDERS else ""
    if given not in found:
        if name in FEATURE_FINDERS:
            if slots is not None:
                raise PandaError(f"{name}/{key:.40} moves features and no slots; leave out '#'")
            found[given] = FEATURE_FINDERS[name](key, generator, layer)
        else:
            found[given] = FINDERS[name](key, generator, slots)
    return found[given]


def _sefa(key: str, generator: Generator, slots: Slots) -> LatentChange:
    start, stop = slots or (0, None)
    rows = SeFa().directions(generator, start, stop)
    if not len(rows):
        names = w_space(generator, "SeFa").slots[start:stop]
        raise PandaError(
            f"sefa/{key}: no slot of {generator.name} among {', '.join(names)} styles features"
        )
    return _along(rows[_number("sefa", key, len(rows))], generator, slots)


def _ganspace(key: str, generator: Generator, slots: Slots) -> LatentChange:
    method = GANSpace()
    steps = kept(method, generator, lambda: {"steps": method.steps(generator)})["steps"]
    return _along(steps[_number("ganspace", key, len(steps))], generator, slots)


def _random(key: str, generator: Generator, slots: Slots) -> LatentChange:
    method = Random()
    changes = list(method.changes(unwrapped(generator), REGIONS).values())  # all slots come first
    rows = [each.direction for each in changes if isinstance(each, WChange | ZChange)]
    return _along(rows[_number(method.name, key, method.components)], generator, slots)


def _gradient(key: str, generator: Generator, slots: Slots) -> LatentChange:
    method, inner = Gradient(), unwrapped(generator)
    names = {name.replace(" ", "_"): name for name in method.names}
    if key not in names:
        raise PandaError(
            f"there is no direction gradient/{key:.40}; gradient has"
            f" {', '.join(names)}{nearest(key, names)}"
        )
    rows = kept(method, generator, lambda: method.gradients(inner, REGIONS))
    change = along(inner, rows[names[key]], *(slots or (0, None))) if names[key] in rows else None
    if change is None:
        raise PandaError(f"gradient/{key}: nothing moves the {names[key]} of {generator.name}")
    return change


def _along(row: Tensor, generator: Generator, slots: Slots) -> LatentChange:
    return WChange(row, *(slots or (0, None))) if has_w(generator) else ZChange(row)


def _number(name: str, key: str, count: int) -> int:
    """Return which of ``count`` directions is meant; raise `PandaError` for another."""
    if not re.fullmatch("[0-9]{1,6}", key) or int(key) >= count:
        near = count - 1 if key.isdecimal() else 0
        raise PandaError(
            f"there is no direction {name}/{key:.40}; {name} has 0 to {count - 1}, such as"
            f" {name}/{near}"
        )
    return int(key)


def _stylespace(key: str, generator: Generator, slots: Slots) -> LatentChange:
    space = w_space(generator, f"stylespace/{key:.40}")
    if slots is not None:
        raise PandaError(f"stylespace/{key:.40} is one channel of one slot; leave out '#'")
    slot, _, channel = key.rpartition(".")
    sizes = {each: len(bias) for each, (_, bias) in space.style_maps().items()}
    if slot not in sizes:
        raise PandaError(
            f"stylespace/{key:.40}: expected SLOT.CHANNEL, but {generator.name} has no slot"
            f" {slot!r:.40} with styles{nearest(slot, sizes)}"
        )
    if not re.fullmatch("[0-9]{1,6}", channel) or int(channel) >= sizes[slot]:
        raise PandaError(
            f"stylespace/{key:.40}: {slot} has channels 0 to {sizes[slot] - 1}, such as"
            f" stylespace/{slot}.{sizes[slot] - 1 if channel.isdecimal() else 0}"
        )
    method = StyleSpace()
    units = kept(method, generator, lambda: style_deviations(space, method.samples))[slot]
    return StyleChange(slot, int(channel), float(units[int(channel)]))


def _regional(method: LowRankGAN | ReSeFa) -> Callable[[str, Generator, Slots], LatentChange]:
    """Return the finder of a method whose directions belong to regions."""

    def find(key: str, generator: Generator, slots: Slots) -> LatentChange:
        text = f"{method.name}/{key:.40}"
        w_space(generator, text)
        region, number, image = _region(text, key, generator)
        rows = kept(method, generator, lambda: _fit(method, generator))
        origin = f"image {int(image or 0)}" if image or method.name != ReSeFa.name else "all images"
        name = f"{region} {int(number)} of {origin}"
        if name not in rows:
            raise PandaError(f"there is no direction {text}; {_listed(method, region, rows)}")
        return WChange(rows[name], *(slots or (method.start, method.stop)))

    return find


def _of_features(method: LocalDiff | LOCO) -> Callable[[str, Generator, str], FeatureChange]:
    """Return the finder of a method whose directions are features of a layer."""

    def find(key: str, generator: Generator, layer: str) -> FeatureChange:
        text = f"{method.name}/{key:.40}"
        region, number, image = _region(text, key, generator)
        here = replace(method, layer=layer or usual_place(generator)[0].name)

        def fit() -> Mapping[str, Tensor]:
            changes = here.changes(generator, REGIONS).items()
            return {k: each.direction for k, each in changes if isinstance(each, FeatureChange)}

        rows = kept(here, generator, fit)
        name = f"{region} {int(number)}"
        if image or name not in rows:
            count = sum(re.fullmatch(f"{region} [0-9]+", row) is not None for row in rows)
            had = f"{region}.0 to {region}.{count - 1}" if count else f"none of the {region}"
            raise PandaError(f"there is no direction {text}; {method.name} has {had}")
        return FeatureChange(rows[name], here.layer)

    return find


def _region(text: str, key: str, generator: Generator) -> tuple[str, str, str | None]:
    """Return region, number and image of the key of a method of regions; the last may be None."""
    match = re.fullmatch(r"([a-z]+)\.([0-9]{1,4})(?:\.([0-9]{1,4}))?", key)
    if match is None or match[1] not in REGIONS.names:
        region, name = key.partition(".")[0], text.partition("/")[0]
        raise PandaError(
            f"{text}: expected REGION.NUMBER, such as {name}/{REGIONS.names[0]}.0"
            f"{nearest(region, REGIONS.names)}"
        )
    if not makes_faces(generator.name):
        raise PandaError(
            f"{text}: its regions are those of aligned faces, and nothing says that"
            f" {generator.name} makes faces; sefa/0 and ganspace/0 need no region"
        )
    return match[1], match[2], match[3]


def _fit(method: LowRankGAN | ReSeFa, generator: Generator) -> Mapping[str, Tensor]:
    """Fit a method that takes derivatives of images."""
    try:
        changes = method.changes(generator, REGIONS).items()
    except PandaError as error:
        if method.name == ReSeFa.name:
            raise
        raise PandaError(
            f"{error}, and {ReSeFa.name}/{REGIONS.names[0]}.0 takes the least"
        ) from error
    return {name: change.direction for name, change in changes if isinstance(change, WChange)}


def _listed(method: Method, region: str, names: Sequence[str] | Mapping[str, Tensor]) -> str:
    """Return which directions of a region there are, as they are written in edits."""
    counts: dict[str, int] = {}
    for name in names:
        if match := re.fullmatch(f"{region} ([0-9]+) of (?:image )?(.*)", name):
            suffix = "" if match[2] == "all images" else f".{match[2]}"
            counts[suffix] = max(counts.get(suffix, 0), int(match[1]))
    ranges = [f"{region}.0{suffix} to {region}.{last}{suffix}" for suffix, last in counts.items()]
    return f"{method.name} has {', '.join(ranges) or f'none of the {region}'}"


FINDERS: dict[str, Callable[[str, Generator, Slots], LatentChange]] = {
    "ganspace": _ganspace,
    "sefa": _sefa,
    "random": _random,
    "gradient": _gradient,
    "stylespace": _stylespace,
    "lowrankgan": _regional(LowRankGAN()),
    "resefa": _regional(ReSeFa()),
}
"""How the directions of methods that move latents are found."""

FEATURE_FINDERS: dict[str, Callable[[str, Generator, str], FeatureChange]] = {
    "localdiff": _of_features(LocalDiff()),
    "loco": _of_features(LOCO()),
}
"""How those of methods are found that move the features of a layer."""
