"""The hooks: a plugin says which generators it brings, and which files it can open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from panda.zoo import Architecture, Card

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
