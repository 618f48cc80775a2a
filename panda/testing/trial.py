"""A generator under test: what the checks share, and their results."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from panda.errors import PandaError, describe_error, place_of
from panda.generators.card import Card
from panda.generators.contract import Generator, Latents
from panda.generators.form import FormError
from panda.generators.labels import ANY_TEXT, Label
from panda.generators.one_class import whole
from panda.generators.options import Value
from panda.generators.registry import create_generator, known_card, loaded
from panda.notes import note_traceback
from panda.progress import bar
from panda.testing import alignment, resuming, sampling
from panda.testing.checks import Check, Problem, rounding
from panda.testing.conditions import TEXTS

Subject = str | Callable[[torch.device, torch.dtype], Generator]
"""A generator's name, its checkpoint file, or a function like a card's ``load``."""

CHECKS = {check.name: check for check in (*sampling.CHECKS, *resuming.CHECKS, *alignment.CHECKS)}
"""Every check by name, in the order in which they run."""

SEEDS = (3, 14)


@dataclass(frozen=True)
class CheckResult:
    """The result of a check.

    Attributes:
        check: The name of the check.
        status: ``ok``, ``failed``, ``excused`` or ``skipped``.
        text: A sentence about it.
    """

    check: str
    status: str
    text: str


class Trial:
    """A generator and what several checks need from it, computed once.

    Args:
        subject: What is checked.
        device: Where it runs.
        layers: The layers to check; by default all of them.
        quick: Check the first, the middle and the last of these layers alone.

    Raises:
        PandaError: For no layers.
    """

    checks = CHECKS

    def __init__(
        self,
        subject: Subject,
        device: str = "cpu",
        *,
        layers: Sequence[str] | None = None,
        quick: bool = False,
    ) -> None:
        self.subject = subject
        self.device = device
        if layers is not None and not layers:
            raise PandaError("no layers were named to be checked; leave them out to check all")
        self._asked, self._quick = layers, quick
        self._results: dict[str, CheckResult] = {}
        self._faulty: dict[str, set[str]] = {}
        self._at = ""

    def load(self, dtype: str, **options: Value) -> Generator:
        """Load the generator in a dtype, such as ``"float64"``, with other options than usual."""
        subject, label = self.subject, label_of(self.subject)
        if isinstance(subject, str):
            return create_generator(subject, device=self.device, dtype=dtype, options=options)
        place = torch.device(self.device), getattr(torch, dtype)
        generator = loaded(label, lambda: subject(*place))
        generator.name = generator.name or label
        return generator

    @cached_property
    def generator(self) -> Generator:
        """The generator in float32; raises `PandaError` without a layer that was asked for."""
        generator = self.load("float32")
        for name in self._asked or ():
            generator.layer(name)
        return generator

    @cached_property
    def card(self) -> Card | None:
        """Its card, where it has one."""
        return _card(self.subject)

    @property
    def latents(self) -> Latents:
        """Two samples, whose classes (if any) follow from their seeds; a new copy each time."""
        tensors = {name: tensor.clone() for name, tensor in self._drawn.tensors.items()}
        return replace(self._drawn, tensors=tensors)

    @cached_property
    def _drawn(self) -> Latents:
        return self.generator.sample(SEEDS, truncation=1.0)

    @cached_property
    def image(self) -> Tensor:
        """Their images from the plain forward pass, ``[2, channels, H, W]``."""
        return self.generator.forward(self.latents).detach()

    @cached_property
    def label(self) -> Label | None:
        """A label that it accepts: its own, a text or the first class; None without any."""
        _, held = whole(self.generator)
        label = TEXTS[0] if self.generator.labels == ANY_TEXT else 0
        label = label if held is None else held
        try:
            self.generator.sample(SEEDS, truncation=1.0, label=label)
        except PandaError:
            return None
        return label

    @property
    def rounding(self) -> float:
        """How much images may differ by the order of additions alone."""
        return rounding(self.image)

    @property
    def excuses(self) -> dict[str, str]:
        """Its well-formed excuses; the check `excuses` reports the others."""
        excused: Any = self.generator.excused
        pairs = excused.items() if isinstance(excused, Mapping) else ()
        return {k: v for k, v in pairs if isinstance(k, str) and isinstance(v, str) and v}

    @cached_property
    def chosen(self) -> list[str]:
        """The names of the layers to check."""
        names = [n for n in self.generator.layers if self._asked is None or n in self._asked]
        if self._quick:
            places = sorted({0, len(names) // 2, len(names) - 1}) if names else []
            names = [names[place] for place in places]
        return names

    def sound(self, check: str) -> list[str]:
        """Return the names of the layers to check at which no check failed that this one needs."""
        faulty = set().union(*(self._faulty.get(need, ()) for need in self._needs(check)))
        return [name for name in self.chosen if name not in faulty]

    def layers(self, check: str) -> Iterator[str]:
        """Yield `sound` layers with a progress bar; a crash is reported with its layer."""
        for name in bar(self.sound(check), desc=check, unit="layer"):
            self._at = name
            yield name
        self._at = ""

    def _needs(self, check: str) -> set[str]:
        """Return every check that must pass before one, at least at a layer."""
        needs = set(CHECKS[check].needs)
        return needs.union(*map(self._needs, needs))

    def result(self, name: str) -> CheckResult:
        """Return the result of a check, which runs once, after the checks that it needs."""
        if name not in self._results:
            self._results[name] = self._run(CHECKS[name])
        return self._results[name]

    def _run(self, check: Check) -> CheckResult:
        for need in check.needs:
            failed = self.result(need).status in ("failed", "skipped")
            if failed and not (self._faulty.get(need) and self.sound(check.name)):
                return CheckResult(check.name, "skipped", f"cannot run before {need!r} passes")
        problems, missed = self._problems(check)
        excuses = {k: v for k, v in self.excuses.items() if k.partition("[")[0] == check.name}
        excused = [{check.name, f"{check.name}[{problem.layer}]"} for problem in problems]
        left = [p for p, keys in zip(problems, excused, strict=True) if not keys & excuses.keys()]
        if left:
            if all(problem.layer for problem in left):  # what needs this check runs elsewhere
                self._faulty[check.name] = {problem.layer for problem in left} | missed
            return CheckResult(check.name, "failed", _summary(left))
        for key, reason in excuses.items():
            if self._is_whole(check.name) and not any(key in keys for keys in excused):
                text = f"{key!r} is excused ({reason}), but it passes; remove the excuse"
                return CheckResult(check.name, "failed", text)
        if problems:
            return CheckResult(check.name, "excused", "; ".join(excuses.values()))
        left_out = [name for name in self.chosen if name not in self.sound(check.name)]
        but = f" (not run at {', '.join(left_out)}, where another check failed)" if left_out else ""
        return CheckResult(check.name, "ok", check.about + but)

    def _problems(self, check: Check) -> tuple[list[Problem], set[str]]:
        """Return what a check finds or raises, and the layers that it then did not reach."""
        problems: list[Problem] = []
        missed: set[str] = set()
        self._at = ""
        try:
            for problem in check.problems(self):
                problems.append(problem)
        except FormError as error:
            problems.append(Problem(str(error), self._at))
        except (Exception, SystemExit) as error:  # a backend may fail in any way at all
            problems.append(Problem(_raised(error), self._at))
            if self._at:
                missed.update(self.chosen[self.chosen.index(self._at) :])
        return problems, missed

    def _is_whole(self, check: str) -> bool:
        """Whether a check runs at every layer, so that what passes needs no excuse."""
        return len(self.sound(check)) == len(self.generator.layers)


def check_generator(
    subject: Subject,
    *,
    device: str = "cpu",
    layers: Sequence[str] | None = None,
    quick: bool = False,
) -> list[CheckResult]:
    """Run every check on a generator.

    Args:
        subject: Its name, its checkpoint file, or a function ``load(device, dtype)`` like that of
            a card.
        device: Where it runs.
        layers: The layers at which to check it; by default all of them.
        quick: Whether to check it at the first, the middle and the last of these alone.

    Returns:
        The results in the order in which the checks run.

    Raises:
        PandaError: Where it cannot be loaded at all, and for a layer that it does not have.
    """
    trial = Trial(subject, device, layers=layers, quick=quick)
    return [trial.result(name) for name in checks_of(subject)]


def checks_of(subject: Subject) -> list[str]:
    """Return the names of the checks that apply: ``card`` needs a card, ``options`` its options."""
    card = _card(subject)
    left_out = {"card": card is None, "options": card is None or not card.options}
    return [name for name in CHECKS if not left_out.get(name)]


def label_of(subject: Subject) -> str:
    """Return a short name; of a file the last two parts of its path."""
    if not isinstance(subject, str):
        return str(getattr(subject, "__name__", subject))
    path = Path(subject)
    return "/".join(path.parts[-2:]) if path.exists() else subject


def _card(subject: Subject) -> Card | None:
    return known_card(subject) if isinstance(subject, str) else None


def _summary(problems: list[Problem]) -> str:
    """Return the first problem in full, and the other layers that have one."""
    first = problems[0]
    where = f"at layer {first.layer!r}: " if first.layer else ""
    others = [problem.layer for problem in problems[1:] if problem.layer]
    more = f" (also at {', '.join(others[:3])}{', ...' if others[3:] else ''})" if others else ""
    return f"{where}{first.text}{more}"


def _raised(error: BaseException) -> str:
    """Return what was raised, and the line of the backend that it came through."""
    note_traceback(error)
    last = traceback.extract_tb(error.__traceback__)[-1]
    place = place_of(error) or f"{last.filename}, line {last.lineno}"
    return f"it raised {describe_error(error)} ({place})"
