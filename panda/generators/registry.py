"""Discovery: which plugins there are, which generators they bring, and how one is created."""

from __future__ import annotations

import fnmatch
import os
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pluggy

from panda.errors import PandaError, PandaWarning, describe_error, nearest
from panda.generators import hookspecs
from panda.generators.architecture import OWN, Architecture
from panda.generators.card import Card
from panda.generators.contract import Generator
from panda.generators.scores import Score

if TYPE_CHECKING:
    import torch

    from panda.checkpoints.checkpoint import Checkpoint

T = TypeVar("T")

SUGGESTED = 4
"""How many generators are suggested for a part of their names."""

GROUP = "panda"
"""The entry-point group of every plugin, built in or not; also the name of the hook's project."""


@dataclass(frozen=True)
class Plugin:
    """One entry point: where it comes from, what it brings, and what is wrong with it."""

    name: str
    distribution: str
    version: str
    cards: Mapping[str, Card] = field(default_factory=dict)
    architectures: Mapping[str, Architecture] = field(default_factory=dict)
    scores: Mapping[str, Score] = field(default_factory=dict)
    error: str | None = None


@cache
def plugins() -> tuple[Plugin, ...]:
    """Load every plugin once; PANDA_PLUGINS (names, comma-separated) limits which.

    A plugin that fails is one warning that names it, and the others work.
    """
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    generators: dict[str, str] = {}
    architectures: dict[str, str] = {}
    measures: dict[str, str] = {}
    found = []
    for point in _chosen(entry_points(group=GROUP)):
        plugin = Plugin(
            point.name,
            point.dist.name if point.dist else "unknown",
            point.dist.version if point.dist else "unknown",
        )
        try:
            cards, opened, measured = _collect(manager, point)
            plugin = replace(
                plugin,
                cards=_new(cards, generators, "generator", point.name),
                architectures=_new(opened, architectures, "architecture", point.name),
                scores=_new(measured, measures, "score", point.name),
            )
        except (Exception, SystemExit) as problem:  # a plugin may fail in any way at all
            plugin = replace(plugin, error=f"{type(problem).__name__}: {problem}")
            warnings.warn(
                f"plugin {point.name!r} is left out: {plugin.error}", PandaWarning, stacklevel=2
            )
        found.append(plugin)
    return tuple(found)


def _new(brought: Mapping[str, T], taken: dict[str, str], kind: str, by: str) -> dict[str, T]:
    """What no plugin before has brought; the rest is a warning."""
    for name in brought.keys() & taken.keys():
        warnings.warn(
            f"plugin {by!r} brings {kind} {name!r}, which plugin {taken[name]!r} already has; the"
            " first one stays",
            PandaWarning,
            stacklevel=3,
        )
    new = {name: thing for name, thing in brought.items() if name not in taken}
    taken.update(dict.fromkeys(new, by))
    return new


def _chosen(points: object) -> list[EntryPoint]:
    """Entry points in a fixed order, our own distribution's first, each once."""
    unique = {(point.name, point.value): point for point in points}  # type: ignore[attr-defined]
    ordered = sorted(unique.values(), key=lambda p: (not p.value.startswith("panda_"), p.name))
    limit = os.environ.get("PANDA_PLUGINS")
    if limit is None:
        return ordered
    wanted = {name.strip() for name in limit.split(",") if name.strip()}
    known = {point.name for point in ordered}
    for name in sorted(wanted - known):
        warnings.warn(
            f"PANDA_PLUGINS names {name!r}, which is no plugin here{nearest(name, sorted(known))}",
            PandaWarning,
            stacklevel=3,
        )
    return [point for point in ordered if point.name in wanted]


def _collect(
    manager: pluggy.PluginManager, point: EntryPoint
) -> tuple[Mapping[str, Card], Mapping[str, Architecture], Mapping[str, Score]]:
    module = point.load()
    manager.register(module, name=point.name)
    try:
        manager.check_pending()  # a misspelt hook is an error, not silence
        others = [plugin for plugin in manager.get_plugins() if plugin is not module]
        cards = _ask(manager, "panda_generators", others, Card)
        architectures = _ask(manager, "panda_architectures", others, Architecture)
        scores = _ask(manager, "panda_scores", others, Score)
        if cards is None and architectures is None and scores is None:
            raise PandaError("it has no hook panda_generators, panda_architectures or panda_scores")
    except BaseException:
        manager.unregister(module)
        raise
    return cards or {}, architectures or {}, scores or {}


def _ask(
    manager: pluggy.PluginManager, hook: str, others: list[object], kind: type[T]
) -> Mapping[str, T] | None:
    """One plugin's answer to one hook, checked; None where it does not implement it."""
    results = manager.subset_hook_caller(hook, others)()
    if not results:
        return None
    brought = results[0]
    wanted = kind.__name__
    if not isinstance(brought, Mapping):
        raise PandaError(f"{hook} gave {type(brought).__name__}, expected {{name: {wanted}}}")
    for name, thing in brought.items():
        if not isinstance(name, str) or not isinstance(thing, kind):
            raise PandaError(
                f"{hook} gave {name!r}: {type(thing).__name__}, expected a name and {wanted}"
            )
    return brought


def cards() -> dict[str, Card]:
    """Every generator's card by name, sorted by name."""
    merged = {name: card for plugin in plugins() for name, card in plugin.cards.items()}
    return dict(sorted(merged.items()))


def scores() -> dict[str, Score]:
    """Every score that a plugin adds to comparisons, sorted by name."""
    merged = {name: score for plugin in plugins() for name, score in plugin.scores.items()}
    return dict(sorted(merged.items()))


def list_generators(pattern: str = "*") -> list[str]:
    """Names that match a shell pattern, such as ``"stylegan*"``."""
    return [name for name in cards() if fnmatch.fnmatchcase(name, pattern)]


def find_card(name: str) -> Card:
    """Return the card of a generator; raises `PandaError` with the nearest names."""
    known = cards()
    if name not in known:
        file = " and no such file" if "." in name else ""
        raise PandaError(f"there is no generator {name!r}{file}{_suggestion(name, known)}")
    return known[name]


def _suggestion(name: str, known: Mapping[str, Card]) -> str:
    """Name the generators that have each word of ``name`` in theirs, or else the nearest."""
    words = re.findall(r"[a-z0-9]+", name.lower())
    matches = [other for other in known if words and all(word in other for word in words)]
    if not matches:
        return nearest(name, known)
    shown = " or ".join(repr(match) for match in matches[:SUGGESTED])
    more = f" ({len(matches)} names match; see 'panda list')" if matches[SUGGESTED:] else ""
    return f"; did you mean {shown}?{more}"


def is_file(name: str) -> bool:
    """Whether a generator is meant by its file and not by its name."""
    # pathlib raises for a text too long to name a file.
    return name not in cards() and (os.sep in name or os.path.exists(name))  # noqa: PTH110


def recognize(checkpoint: Checkpoint) -> tuple[str, Architecture]:
    """The architecture that a checkpoint is of; raises `PandaError` where none knows it."""
    known = {name: one for plugin in plugins() for name, one in plugin.architectures.items()}
    for name, architecture in known.items():
        if architecture.recognizes(checkpoint):
            return name, architecture
    shown = ", ".join(list(checkpoint.tensors)[:3])
    raise PandaError(
        f"this {checkpoint.container} file with tensors {shown}, ... is of no known architecture;"
        f" known: {', '.join(known)}"
    )


def create_generator(
    name: str | Path,
    *,
    device: str | torch.device = "cpu",
    dtype: str | torch.dtype = "float32",
    engine: str = OWN,
) -> Generator:
    """Load a generator by its name, or from a checkpoint file or folder, whatever its container.

    Weights of a name are fetched first where they are not cached. ``engine`` is ``own``, the
    plugin's implementation, or another one that the architecture has. Raises `PandaError` for an
    unknown name, device, dtype or engine, for a file that holds no generator, and where weights
    cannot be had.
    """
    name = str(name)
    card = None if is_file(name) else find_card(name)
    import torch

    from panda.generators.moving import usable_device

    place = usable_device(device)
    kinds = {"float32": torch.float32, "float64": torch.float64}
    kind = str(dtype).removeprefix("torch.")
    if kind not in kinds:
        raise PandaError(f"dtype {kind!r} is not supported{nearest(kind, kinds)}")
    rest = engine, place, kinds[kind]
    generator = loaded(name, lambda: _load(card, *rest) if card else _open(Path(name), *rest))
    generator.name = name
    return generator


def loaded(name: str, load: Callable[[], Generator]) -> Generator:
    """What ``load`` gives; raises `PandaError` for anything else, and for whatever it raises."""
    try:
        generator = load()
    except PandaError:
        raise
    except Exception as error:  # a backend may fail in any way at all
        raise PandaError(f"generator {name!r} cannot be loaded: {describe_error(error)}") from error
    if not isinstance(generator, Generator):
        given = type(generator).__name__
        raise PandaError(f"loading {name!r} gave a {given}, expected a panda.Generator")
    return generator


def _load(card: Card, engine: str, device: torch.device, dtype: torch.dtype) -> Generator:
    """A card's generator; an engine that is not the plugin's own opens the same weights."""
    if engine == OWN:
        return card.load(device, dtype)
    if card.weights is None:
        raise PandaError(f"there is no engine {engine!r} for {card.architecture}; valid: {OWN}")
    card.weights.architecture.engine(engine)  # before anything is fetched
    card.weights.fetch()
    return _open(card.weights.path, engine, device, dtype)


def _check_exists(path: Path) -> None:
    """Raise `PandaError` for a path that leads nowhere, with files of similar names beside it."""
    if os.path.lexists(path):
        return
    if not path.parent.is_dir():
        raise PandaError(f"there is no file '{path}': no folder '{path.parent}'")
    beside = [other.name for other in path.parent.iterdir()]
    close = [str(path.parent / name) for name in get_close_matches(path.name, beside, n=3)]
    hint = "; did you mean " + " or ".join(map(repr, close)) + "?" if close else ""
    raise PandaError(f"there is no file '{path}'{hint}")


def _open(path: Path, engine: str, device: torch.device, dtype: torch.dtype) -> Generator:
    from panda.checkpoints.read import read_checkpoint

    _check_exists(path)
    checkpoint = read_checkpoint(path)
    try:
        _, architecture = recognize(checkpoint)
        return architecture.engine(engine)(checkpoint, device, dtype)
    except PandaError as error:
        raise PandaError(f"{path}: {error}") from error
