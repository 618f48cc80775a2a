"""Discovery: the plugins, the generators that they add, and how to create a generator."""

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
from typing import TYPE_CHECKING, Any, TypeVar

import pluggy

from panda.checkpoints.hub import fetched
from panda.errors import PandaError, PandaWarning, describe_error, nearest, place_of
from panda.files.tilde import expand
from panda.generators import hookspecs
from panda.generators.architecture import OWN, Architecture
from panda.generators.card import Card
from panda.generators.contract import Generator
from panda.generators.labels import as_label, label_text
from panda.generators.one_class import OneClass
from panda.generators.options import Value, options_text, read_options
from panda.generators.reference import Reference, read_reference
from panda.generators.scores import Score
from panda.notes import note_traceback
from panda.shapes import as_channels, as_size

if TYPE_CHECKING:
    import torch

    from panda.checkpoints.checkpoint import Checkpoint

T = TypeVar("T")

SUGGESTED = 4
"""How many generators are suggested for a part of their names."""

GROUP = "panda"
"""The entry-point group of every plugin, built in or not; also pluggy's project name."""


@dataclass(frozen=True)
class Plugin:
    """An entry point and what it adds.

    Attributes:
        name: The name of the entry point.
        distribution: The package that declares it.
        version: The version of that package.
        cards: The generators it adds, by name.
        architectures: The architectures it adds, by name.
        scores: The scores it adds, by name.
        error: Why it cannot be used, or None.
    """

    name: str
    distribution: str
    version: str
    cards: Mapping[str, Card] = field(default_factory=dict)
    architectures: Mapping[str, Architecture] = field(default_factory=dict)
    scores: Mapping[str, Score] = field(default_factory=dict)
    error: str | None = None


@cache
def plugins() -> tuple[Plugin, ...]:
    """Load every plugin once, or those that PANDA_PLUGINS names (separated by commas).

    A plugin that fails is left out with a warning that names it; the others work.
    """
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    generators: dict[str, str] = {}
    architectures: dict[str, str] = {}
    scores: dict[str, str] = {}
    loaded_plugins = []
    for point in _chosen(entry_points(group=GROUP)):
        plugin = Plugin(
            point.name,
            point.dist.name if point.dist else "unknown",
            point.dist.version if point.dist else "unknown",
        )
        try:
            cards, kinds, figures = _collect(manager, point)
            plugin = replace(
                plugin,
                cards=_new(cards, generators, "generator", point.name),
                architectures=_new(kinds, architectures, "architecture", point.name),
                scores=_new(figures, scores, "score", point.name),
            )
        except (Exception, SystemExit) as problem:  # a plugin may fail in any way at all
            note_traceback(problem)
            place = place_of(problem) or point.value
            plugin = replace(plugin, error=f"{describe_error(problem, whole=True)} ({place})")
            warnings.warn(
                f"plugin {point.name!r} is left out: {plugin.error}", PandaWarning, stacklevel=2
            )
        loaded_plugins.append(plugin)
    return tuple(loaded_plugins)


def _new(added: Mapping[str, T], owners: dict[str, str], kind: str, by: str) -> dict[str, T]:
    """Return what no earlier plugin has added, note its owner, and warn of the rest."""
    for name in added.keys() & owners.keys():
        warnings.warn(
            f"plugin {by!r} brings {kind} {name!r}, which plugin {owners[name]!r} already has; the"
            " first one stays",
            PandaWarning,
            stacklevel=3,
        )
    new = {name: item for name, item in added.items() if name not in owners}
    owners.update(dict.fromkeys(new, by))
    return new


def _chosen(points: object) -> list[EntryPoint]:
    """Return the entry points to load in a fixed order: built-in ones first, each once."""
    unique = {(point.name, point.value): point for point in points}  # type: ignore[attr-defined]
    ordered = sorted(
        unique.values(), key=lambda p: (not p.value.startswith("panda_plugins."), p.name)
    )
    limit = os.environ.get("PANDA_PLUGINS")
    if limit is None:
        return ordered
    wanted = {name.strip() for name in limit.split(",") if name.strip()}
    known = {point.name for point in ordered}
    for name in sorted(wanted - known):
        warnings.warn(
            f"PANDA_PLUGINS names {name!r}, which is not installed{nearest(name, sorted(known))}",
            PandaWarning,
            stacklevel=3,
        )
    return [point for point in ordered if point.name in wanted]


def _collect(
    manager: pluggy.PluginManager, point: EntryPoint
) -> tuple[Mapping[str, Card], Mapping[str, Architecture], Mapping[str, Score]]:
    if manager.has_plugin(point.name):
        raise PandaError("another plugin has that name; give its entry point a name of its own")
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
    """Return a plugin's checked result of a hook; None where it does not implement it."""
    results = manager.subset_hook_caller(hook, others)()
    if not results:
        return None
    added, expected = results[0], kind.__name__
    if not isinstance(added, Mapping):
        raise PandaError(f"{hook} gave {type(added).__name__}, expected {{name: {expected}}}")
    for name, item in added.items():
        if not isinstance(name, str) or not isinstance(item, kind):
            raise PandaError(
                f"{hook} gave {name!r}: {type(item).__name__}, expected a name and {expected}"
            )
    return added


def cards() -> dict[str, Card]:
    """Return every generator's card, sorted by name."""
    merged = {name: card for plugin in plugins() for name, card in plugin.cards.items()}
    return dict(sorted(merged.items()))


def scores() -> dict[str, Score]:
    """Return every score that a plugin adds to comparisons, sorted by name."""
    merged = {name: score for plugin in plugins() for name, score in plugin.scores.items()}
    return dict(sorted(merged.items()))


def list_generators(pattern: str = "*") -> list[str]:
    """Return the names of generators that match a shell pattern, such as ``"stylegan*"``."""
    return [name for name in cards() if fnmatch.fnmatchcase(name, pattern)]


def refer(text: str) -> Reference:
    """Take ``NAME?steps=20@LABEL`` apart; raises `PandaError` as `read_reference` does."""
    return read_reference(text, cards())


def known_card(name: str) -> Card | None:
    """Return the card of a generator, whatever its options and label; None where it has none."""
    return cards().get(refer(name).name)


def find_card(name: str) -> Card:
    """Return the card of a generator, whatever its options and label.

    Raises `PandaError` with the nearest names.
    """
    known, name = cards(), refer(name).name
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
    """Return whether a generator is given by its file and not by its name."""
    name = refer(name).name
    # pathlib raises for a text too long to name a file.
    return name not in cards() and (os.sep in name or os.path.exists(name))  # noqa: PTH110


def full_name(name: str) -> str:
    """Return the name that a generator gets: as given, or of a file its absolute path.

    So factors find the file again from any folder, and know it however it was written. Options and
    a label stay behind a file as they are, and behind a name are written as `create_generator`
    does; raises `PandaError` for those that the generator does not have.
    """
    reference = refer(name)
    base, card = reference.name, known_card(name)
    if card is None:
        rest = name[len(base) :]
        return os.path.abspath(base) + rest if is_file(base) else name  # noqa: PTH100, links stay
    values = read_options(card.options, reference.options, base)
    full = base + options_text(card.options, values)
    if reference.label is None:
        return full
    return f"{full}@{_written(reference.label, card, base)}"


def recognize(checkpoint: Checkpoint) -> tuple[str, Architecture]:
    """Return name and architecture of a checkpoint.

    Raises `PandaError` where no architecture recognizes it.
    """
    known = {name: kind for plugin in plugins() for name, kind in plugin.architectures.items()}
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
    options: Mapping[str, Any] | None = None,
) -> Generator:
    """Load a generator by its name, or from a checkpoint file or folder, whatever its container.

    Weights of a named generator are downloaded first where they are not cached.

    Args:
        name: A generator's name (see `list_generators`), or the path of a checkpoint. Behind it may
            stand options, as in ``"NAME?steps=20&guidance=5"``, and then a class or text that all
            samples are of: ``"NAME@hat"``. The generator's name has options that are not the
            defaults, in one order, so that it loads the same again.
        device: Where it runs, such as ``"cuda"``.
        dtype: ``"float32"`` or ``"float64"``, or torch's own.
        engine: ``"own"`` for the plugin's implementation, or another that the architecture has.
        options: Options by name, in place of text behind the name: ``{"steps": 20}``.

    Raises:
        PandaError: For an unknown name, device, dtype, engine, option or class, for a file that
            contains no generator, and where weights cannot be downloaded.
    """
    if not isinstance(name, str | os.PathLike):
        raise PandaError(
            f"a {type(name).__name__} was given, expected a name or a file; panda.TorchModule makes"
            " a generator of a module"
        )
    name = fetched(str(expand(name)) if str(name).startswith("~") else str(name))
    reference = refer(name)
    given = _merged(reference, options or {})
    card = None if is_file(reference.name) else find_card(reference.name)
    if card and reference.label is not None:
        _written(reference.label, card, reference.name)  # before anything is downloaded
    values = given if card is None else read_options(card.options, given, reference.name)
    import torch

    from panda.generators.moving import usable_device

    place = usable_device(device)
    kinds = {"float32": torch.float32, "float64": torch.float64}
    kind = str(dtype).removeprefix("torch.")
    if kind not in kinds:
        raise PandaError(f"dtype {kind!r} is not supported{nearest(kind, kinds)}")
    rest = values, engine, place, kinds[kind]
    named = Path(reference.name)
    generator = loaded(
        name, lambda: _load(reference.name, card, *rest) if card else _open(named, *rest)
    )
    if card:
        generator.name = reference.name + options_text(card.options, values)
        generator.labels = card.labels or generator.labels
    return generator if reference.label is None else OneClass(generator, reference.label)


def _written(label: str, card: Card, name: str) -> str:
    """Return how a label is written; raises `PandaError` where the card says that it is none."""
    if not card.labels:
        return label
    found = as_label(label, card.labels, name)
    return label if found is None else label_text(found, card.labels)


def _merged(reference: Reference, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options in a name and those beside it; raises `PandaError` for one in both."""
    for name in options:
        if name in reference.options:
            raise PandaError(
                f"option {name!r:.60} is given behind the name and beside it; give one"
            )
    return {**reference.options, **options}


def loaded(name: str, load: Callable[[], Generator]) -> Generator:
    """Return the generator that ``load`` returns.

    Raises `PandaError` where it returns anything else, and for whatever it raises.
    """
    try:
        generator = load()
    except PandaError:
        raise
    except (Exception, SystemExit) as error:  # a backend may fail in any way at all
        place = f" ({place})" if (place := place_of(error)) else ""
        raise PandaError(
            f"generator {name!r} cannot be loaded: {describe_error(error)}{place}"
        ) from error
    if not isinstance(generator, Generator):
        given = type(generator).__name__
        raise PandaError(f"loading {name!r} gave a {given}, expected a panda.Generator")
    try:
        size = as_size(getattr(generator, "size", None))
        as_channels(generator.channels)
    except PandaError as error:
        raise PandaError(f"generator {name!r} cannot be used: its {error}") from error
    if generator.size != size:  # one number, or a list
        generator.size = size
    return generator


def _load(
    name: str,
    card: Card,
    values: Mapping[str, Value],
    engine: str,
    device: torch.device,
    dtype: torch.dtype,
) -> Generator:
    """Load a card's generator; another engine than the plugin's opens the same weights."""
    if engine == OWN:
        try:
            return card.load(device, dtype, **values)
        except PandaError as error:
            if type(error) is PandaError and name not in str(error):
                raise PandaError(f"{name}: {error}") from error
            raise
    if card.weights is None:
        raise PandaError(f"there is no engine {engine!r} for {card.architecture}; valid: {OWN}")
    card.weights.architecture.engine(engine)  # before anything is fetched
    card.weights.fetch()
    return _open(card.weights.path, values, engine, device, dtype)


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


def _open(
    path: Path,
    given: Mapping[str, Any],
    engine: str,
    device: torch.device,
    dtype: torch.dtype,
) -> Generator:
    """Open a checkpoint; the generator's name has its options."""
    from panda.checkpoints.digest import weights_digest
    from panda.checkpoints.read import read_checkpoint

    _check_exists(path)
    checkpoint = read_checkpoint(path)
    try:
        _, architecture = recognize(checkpoint)
        values = read_options(architecture.options, given, "this file")
        generator = architecture.engine(engine)(checkpoint, device, dtype, **values)
        generator.digest_in_file = weights_digest(checkpoint)
        generator.name = full_name(str(path)) + options_text(architecture.options, values)
        return generator
    except PandaError as error:
        raise PandaError(f"{path}: {error}") from error
