"""Discovery: which plugins there are, which generators they bring, and how one is created."""

from __future__ import annotations

import fnmatch
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

import pluggy

from panda import hookspecs
from panda.errors import PandaError, PandaWarning, nearest
from panda.zoo.card import Card

if TYPE_CHECKING:
    from panda.generator import Generator

GROUP = "panda"
"""The entry-point group of every plugin, built in or not; also the name of the hook's project."""


@dataclass(frozen=True)
class Plugin:
    """One entry point: where it comes from, what it brings, and what is wrong with it."""

    name: str
    distribution: str
    version: str
    cards: Mapping[str, Card] = field(default_factory=dict)
    error: str | None = None


@cache
def plugins() -> tuple[Plugin, ...]:
    """Load every plugin once; PANDA_PLUGINS (names, comma-separated) limits which.

    A plugin that fails is one warning that names it, and the others work.
    """
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    taken: dict[str, str] = {}
    found = []
    for point in _chosen(entry_points(group=GROUP)):
        cards: Mapping[str, Card] = {}
        error = None
        try:
            cards = _cards(manager, point)
        except Exception as problem:  # a plugin may fail in any way at all
            error = f"{type(problem).__name__}: {problem}"
            warnings.warn(f"plugin {point.name!r} is left out: {error}", PandaWarning, stacklevel=2)
        for name in [name for name in cards if name in taken]:
            warnings.warn(
                f"plugin {point.name!r} brings generator {name!r}, which plugin {taken[name]!r}"
                " already has; the first one stays",
                PandaWarning,
                stacklevel=2,
            )
        cards = {name: card for name, card in cards.items() if name not in taken}
        taken |= dict.fromkeys(cards, point.name)
        source = point.dist
        found.append(
            Plugin(
                point.name,
                source.name if source else "unknown",
                source.version if source else "unknown",
                cards,
                error,
            )
        )
    return tuple(found)


def _chosen(points: object) -> list[EntryPoint]:
    """Entry points in a fixed order, our own distribution's first, each once."""
    unique = {(point.name, point.value): point for point in points}  # type: ignore[attr-defined]
    ordered = sorted(unique.values(), key=lambda p: (not p.value.startswith("panda_"), p.name))
    limit = os.environ.get("PANDA_PLUGINS")
    if limit is None:
        return ordered
    wanted = {name.strip() for name in limit.split(",") if name.strip()}
    return [point for point in ordered if point.name in wanted]


def _cards(manager: pluggy.PluginManager, point: EntryPoint) -> Mapping[str, Card]:
    module = point.load()
    manager.register(module, name=point.name)
    try:
        manager.check_pending()  # a misspelt hook is an error, not silence
        others = [plugin for plugin in manager.get_plugins() if plugin is not module]
        results = manager.subset_hook_caller("panda_generators", others)()
    except Exception:
        manager.unregister(module)
        raise
    if not results:
        raise PandaError("it has no hook panda_generators")
    cards = results[0]
    if not isinstance(cards, Mapping):
        raise PandaError(f"panda_generators gave {type(cards).__name__}, expected {{name: Card}}")
    for name, card in cards.items():
        if not isinstance(name, str) or not isinstance(card, Card):
            raise PandaError(
                f"panda_generators gave {name!r}: {type(card).__name__}, expected a name and a Card"
            )
    return cards


def cards() -> dict[str, Card]:
    """Every generator's card by name, sorted by name."""
    merged = {name: card for plugin in plugins() for name, card in plugin.cards.items()}
    return dict(sorted(merged.items()))


def list_generators(pattern: str = "*") -> list[str]:
    """Names that match a shell pattern, such as ``"stylegan*"``."""
    return [name for name in cards() if fnmatch.fnmatchcase(name, pattern)]


def find_card(name: str) -> Card:
    """The card of a generator; raises `PandaError` with the nearest names."""
    known = cards()
    if name not in known:
        raise PandaError(f"there is no generator {name!r}{nearest(name, known)}")
    return known[name]


def create_generator(name: str, *, device: str = "cpu", dtype: str = "float32") -> Generator:
    """Load a generator, fetching its weights first where they are not cached.

    Raises `PandaError` for an unknown name, device or dtype, and where weights cannot be had.
    """
    card = find_card(name)
    import torch

    try:
        place = torch.device(device)
        torch.empty(0, device=place)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise PandaError(f"device {device!r} cannot be used here: {reason}") from error
    kinds = {"float32": torch.float32, "float64": torch.float64}
    if dtype not in kinds:
        raise PandaError(f"dtype {dtype!r} is not supported{nearest(dtype, kinds)}")
    generator = card.load(place, kinds[dtype])
    generator.name = name
    return generator
