"""What edits by name did to the faces that they were applied to, measured."""

from __future__ import annotations

import math
from collections.abc import Iterable

from torch import Tensor

from panda.editing.named import find_named
from panda.editing.syntax import NAMED, TEXT
from panda.errors import PandaError
from panda.evaluation.edits import EDITS, EditGoal
from panda.evaluation.faces import measures
from panda.metrics.parsing import FaceParser
from panda.metrics.reaching import TOLERANCE
from panda.metrics.roir import small
from panda.notes import note


class Told:
    """Collects the effects of presets, a few faces at a time; of other edits there is nothing.

    Args:
        texts: Edits as they were given.
        generator: The name of their generator.
        device: Where faces are parsed.
        times: How many times their own strength all of them have.
    """

    def __init__(
        self, texts: Iterable[str], generator: str, device: str = "cpu", *, times: float = 1.0
    ) -> None:
        self._goals: dict[str, EditGoal] = {}
        self._wanted: dict[str, float] = {}
        for text in texts:
            if not TEXT.fullmatch(text.strip()):
                match = NAMED.fullmatch(text)
                name, edit = find_named(match["name"] if match else text, generator)
                if edit.effect and name in EDITS:
                    self._goals[name] = EDITS[name]
                    strength = float(match["strength"] or 1) if match else 1.0
                    self._wanted[name] = self._wanted.get(name, 0.0) + times * strength
        self.effects: dict[str, list[float | None]] = {name: [] for name in self._goals}
        try:
            self._parser = FaceParser(device) if self._goals else None
        except PandaError as error:
            note(f"what the edits do is not measured: {error}")
            self._goals = {}

    def look(self, before: Tensor, after: Tensor) -> None:
        """Measure images ``[N, channels, H, W]`` before and after all edits."""
        if not self._goals or self._parser is None:
            return
        old, new = (measures(image, self._parser(image)) for image in map(small, (before, after)))
        for name, goal in self._goals.items():
            values = goal.effect(old[goal.measure], new[goal.measure]).tolist()
            self.effects[name] += [value if math.isfinite(value) else None for value in values]

    def say(self) -> None:
        """Say what each edit did, and of one that hardly does anything, that it may not show."""
        for name, goal in self._goals.items():
            known = [value for value in self.effects[name] if value is not None]
            if not known:
                note(f"{name}: {goal.measure} cannot be measured in any of these faces")
                continue
            wanted = self._wanted[name]
            asked = f"; {wanted:g} was asked for" if wanted != 1 else ""
            said = f"{name}: mean effect {sum(known) / len(known):.2f} (1 is {goal.words}{asked})"
            if wanted == 0:
                note(said)
                continue
            reached = sum(value / wanted >= 1 - TOLERANCE for value in known)
            rest = "on the others it may not show" if reached else "it may not show"
            faint = "" if 2 * reached >= len(known) else f"; {rest}"
            note(f"{said}, {reached} of {len(known)} faces have it{faint}")
