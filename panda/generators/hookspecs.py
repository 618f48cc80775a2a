"""The hooks: which generators a plugin brings, which files it can open, what it measures."""

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
    """Return ``{name: card}`` of every generator this plugin brings.

    Cards are cheap data; nothing heavy is imported here. A card's ``load`` does the work later.
    """


@hookspec
def panda_architectures() -> Mapping[str, Architecture]:  # type: ignore[empty-body]
    """Return ``{name: architecture}`` of every kind of network whose files this plugin can open.

    A file's container is the core's affair; an architecture gets plain tensors and a config, says
    whether they are its own, and builds the generator.
    """


@hookspec
def panda_scores() -> Mapping[str, Score]:  # type: ignore[empty-body]
    """Return ``{name: score}`` of every figure that this plugin adds to ``panda compare``."""
