"""Which generators make faces, as far as their names or data sets say so."""

from __future__ import annotations

import re

from panda.generators.registry import cards

FACES = re.compile("face|ffhq|celeb", re.IGNORECASE)
"""What names of data sets of faces contain."""


def makes_faces(name: str) -> bool:
    """Return whether a generator is of faces, by its data set, or by the name of its file."""
    known = cards()
    return bool(FACES.search(known[name].dataset if name in known else name))
