"""The one hook: a plugin says which generators it brings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from panda.zoo import Card

hookspec = pluggy.HookspecMarker("panda")
hookimpl = pluggy.HookimplMarker("panda")


@hookspec
def panda_generators() -> Mapping[str, Card]:  # type: ignore[empty-body]
    """Return ``{name: card}`` of every generator this plugin brings.

    Cards are cheap data; nothing heavy is imported here. A card's ``load`` does the work later.
    """
