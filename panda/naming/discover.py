"""From words to edits: ``"open mouth"`` is a measure that grows; names tell what moves it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from panda.errors import PandaError, nearest
from panda.factorization.factors import Factors
from panda.naming.effects import describe_effects
from panda.naming.names import names_of

MEASURES = {
    "open mouth": ("mouth opening", 1),
    "close mouth": ("mouth opening", -1),
    "smile": ("mouth width", 1),
    "wide mouth": ("mouth width", 1),
    "narrow mouth": ("mouth width", -1),
    "lift lip corners": ("lip corners", 1),
    "full lips": ("lip area", 1),
    "thin lips": ("lip area", -1),
    "big eyes": ("eye area", 1),
    "small eyes": ("eye area", -1),
    "close eyes": ("eye area", -1),
    "long nose": ("nose length", 1),
    "short nose": ("nose length", -1),
    "wide nose": ("nose width", 1),
    "narrow nose": ("nose width", -1),
    "raise brows": ("brow height", 1),
    "lower brows": ("brow height", -1),
    "thick brows": ("brow area", 1),
    "thin brows": ("brow area", -1),
    "more hair": ("hair area", 1),
    "less hair": ("hair area", -1),
    "glasses": ("glasses area", 1),
    "no glasses": ("glasses area", -1),
    "hat": ("hat area", 1),
    "brighter": ("brightness", 1),
    "darker": ("brightness", -1),
    "warmer": ("warmth", 1),
    "colder": ("warmth", -1),
}
"""What can be asked for, the measure that it is and whether that is to grow or to shrink."""


@dataclass(frozen=True)
class Candidate:
    """An edit that moves what is asked for, with its sign; ``effect`` in standard deviations."""

    layer: str
    edit: str
    part: str
    effect: float
    purity: float
    """The share of this effect among all effects of the edit."""
    others: str


def discover(wanted: str, factors: Iterable[Factors]) -> list[Candidate]:
    """Edits of named factors by how far and how purely they move what is wanted, best first.

    Raises `PandaError` for words that are not known and for factors without names.
    """
    words = " ".join(wanted.lower().replace("_", " ").replace("-", " ").split())
    if words not in MEASURES:
        raise PandaError(f"{wanted!r:.80} is nothing that is measured{nearest(words, MEASURES)}")
    measure, sign = MEASURES[words]
    found = []
    for one in factors:
        for part in names_of(one)["parts"]:
            for edit in part["edits"]:
                effects = {k.partition(" of ")[0]: v for k, v in edit["effects"].items()}
                value = effects.pop(measure, 0.0)
                if value == 0:
                    continue
                flip = 1 if value * sign > 0 else -1
                total = abs(value) + sum(map(abs, effects.values()))
                others = {name: flip * other for name, other in effects.items()}
                found.append(
                    Candidate(
                        one.layer.name,
                        _signed(edit["edit"], flip),
                        part["name"],
                        flip * value,
                        abs(value) / total,
                        describe_effects(others, 2),
                    )
                )
    return sorted(found, key=lambda c: -abs(c.effect) * c.purity)


def _signed(edit: str, flip: int) -> str:
    parts, appearance, strength = edit.split(":")
    return f"{parts}:{appearance}:{strength if flip > 0 else '-' + strength}"
