"""From words to edits: ``"open mouth"`` means that a measure grows; names say which edits do it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from panda.editing.edits import Edit
from panda.errors import PandaError, nearest
from panda.factorization.factors import Factors
from panda.naming.effects import Measure, describe_effects
from panda.naming.saved import is_unstable, names_of

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
"""Words, the name of the measure that they mean, and whether it grows (1) or shrinks (-1)."""


@dataclass(frozen=True)
class Candidate:
    """An edit that does what is asked for.

    Attributes:
        layer: The layer of its factors.
        edit: Its text, with the sign of the strength that does what is asked for.
        part: The name of the part.
        effect: Its effect on the measure inside the part, in standard deviations.
        purity: The share of this effect in the sum of all its effects, inside and outside.
        others: The strongest of its other effects, in words.
        stable: Whether halves of the samples agree on its part and its axis, as far as is known.
        broken: Whether it breaks the picture at this strength.
    """

    layer: str
    edit: str
    part: str
    effect: float
    purity: float
    others: str
    stable: bool = True
    broken: bool = False


def discover(wanted: str, factors: Factors | Iterable[Factors]) -> list[Candidate]:
    """Rank edits of named factors by how far and how purely they do what is wanted, best first.

    Only what changes inside the part of an edit counts. Edits of parts and axes that are unstable
    come after all others, and those that break the picture last.

    Args:
        wanted: Words of `MEASURES`, in any case, also with hyphens or underscores.
        factors: One factorization, or several; each has names (`panda.naming.names`).

    Raises:
        PandaError: For other words, and for factors without names.
    """
    words = " ".join(wanted.lower().replace("_", " ").replace("-", " ").split())
    if words not in MEASURES:
        raise PandaError(f"{wanted!r:.80} is nothing that is measured{nearest(words, MEASURES)}")
    name, sign = MEASURES[words]
    candidates = []
    for fitted in [factors] if isinstance(factors, Factors) else factors:
        for part in names_of(fitted)["parts"]:
            for edit in part["edits"]:
                own, effects = (_by_measure(edit[key]) for key in ("own", "effects"))
                effect = sum(value for measure, value in own.items() if measure.name == name)
                if effect == 0:
                    continue
                whole = sum(value for measure, value in effects.items() if measure.name == name)
                flip = 1 if effect * sign > 0 else -1
                others = {m: flip * value for m, value in effects.items() if m.name != name}
                rest = abs(whole - effect) + sum(map(abs, others.values()))
                text = _signed(edit["edit"], flip)
                candidates.append(
                    Candidate(
                        fitted.layer.name,
                        text,
                        part["name"],
                        flip * effect,
                        abs(effect) / (abs(effect) + rest),
                        describe_effects(others, 2),
                        not is_unstable(fitted, edit["edit"]),
                        Edit.parse(text).strength in edit["broken"],
                    )
                )
    return sorted(
        candidates,
        key=lambda each: (each.broken, not each.stable, -abs(each.effect) * each.purity),
    )


def _by_measure(effects: Mapping[str, float]) -> dict[Measure, float]:
    """Return effects by what they are effects on."""
    return {Measure.parse(text): effect for text, effect in effects.items()}


def _signed(edit: str, flip: int) -> str:
    """Return the text of an edit with its strength times ``flip``."""
    parsed = Edit.parse(edit)
    return str(replace(parsed, strength=flip * parsed.strength))
