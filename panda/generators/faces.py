"""Which generators make faces, as far as their names or data sets say so."""

from __future__ import annotations

import re

from panda.generators.registry import known_card, refer

FACES = re.compile("face|ffhq|celeb", re.IGNORECASE)
"""What names of data sets of faces contain."""


def makes_faces(name: str) -> bool:
    """Return whether a generator is of faces, by its data set, or by the name of its file."""
    card = known_card(name)
    return bool(FACES.search(card.dataset if card else refer(name).name))
