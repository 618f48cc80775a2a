"""The hooks: which generators a plugin adds, which files it opens, what it measures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from panda.generators.architecture import Architecture
    from panda.generators.card import Card
    from panda.generators.scores import Score

hookspec = pluggy.HookspecMarker("panda")
hookimpl = pluggy.HookimplMarker("panda")


@hookspec
def panda_generators() -> Mapping[str, Card]:  # type: ignore[empty-body]
    """Return ``{name: card}`` for every generator that this plugin adds.

    Cards are cheap data, so import nothing heavy in this hook; a card's ``load`` does the work.
    """


@hookspec
def panda_architectures() -> Mapping[str, Architecture]:  # type: ignore[empty-body]
    """Return ``{name: architecture}`` for every kind of network whose files this plugin opens.

    The core reads the file, whatever its container. An architecture gets plain tensors and a
    config, says whether it recognizes them, and builds the generator.
    """


@hookspec
def panda_scores() -> Mapping[str, Score]:  # type: ignore[empty-body]
    """Return ``{name: score}`` for every figure that this plugin adds to ``panda compare``."""
