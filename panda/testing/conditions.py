"""Checks of what a generator is asked for beside seeds: labels, and options of loading."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import torch

from panda.errors import PandaError, describe_error
from panda.generators.contract import Generator, Latents
from panda.generators.labels import ANY_TEXT, Label, as_names
from panda.generators.one_class import whole
from panda.generators.options import Option, Value
from panda.generators.registry import refer
from panda.testing.checks import Problem, Problems, check, differ

if TYPE_CHECKING:
    from panda.testing.trial import Trial

TEXTS = "a photo of a red house", "a drawing of a dog, in blue"
"""For generators that take any text."""


@check("repeatable")
def labels(trial: Trial) -> Problems:
    """A label chooses the class or is the text, and what the generator does not have is refused."""
    generator, (_, held) = trial.generator, whole(trial.generator)
    try:
        names = as_names(generator.labels)
    except PandaError as error:
        yield Problem(f"{error}; correct labels")
        return
    sample = partial(generator.sample, trial.latents.seeds, truncation=1.0)
    for label in () if names == ANY_TEXT else (-1, 10**9):
        try:
            sample(label=label)
        except PandaError:
            continue
        yield Problem(f"label {label} is accepted; raise PandaError that says which labels exist")
        return
    if held is not None:
        return
    if isinstance(names, str):
        yield from _texts(generator, sample)
    elif names:
        yield from _names(sample, names)
    if trial.label is None or len(names) == 1:
        return
    both: tuple[Label, Label] = TEXTS if isinstance(names, str) else (0, 1)
    try:
        latents = [sample(label=label) for label in both]
    except PandaError:  # a generator with a single class, which has no name
        return
    first, second = map(generator.forward, latents)
    if differ(first, second) == 0:
        yield Problem(
            f"labels {both[0]!r} and {both[1]!r} give the same images; pass the label on to the"
            " network"
        )
        return
    mixed = generator.forward(sample(label=list(both)))
    if differ(mixed, torch.stack([first[0], second[1]])) > trial.rounding:
        yield Problem("with a label for each sample, images are not those of their labels")


def _names(sample: Callable[..., Latents], names: Sequence[str]) -> Problems:
    """Yield names that stand for no class, or for two."""
    for number, name in enumerate(names):
        try:
            drawn = sample(label=name)
        except PandaError as error:
            yield Problem(f"class {name!r} cannot be sampled ({error}); correct labels")
            return
        if drawn.labels is not None and set(drawn.labels) != {number}:
            yield Problem(
                f"class {name!r} gives latents of labels {drawn.labels}, expected {number}; name"
                " each class once, and let latents have the labels that were given"
            )
            return


def _texts(generator: Generator, sample: Callable[..., Latents]) -> Problems:
    """Yield what is wrong of a generator that takes any text."""
    for text in (*TEXTS, ""):
        try:
            sample(label=text)
        except PandaError as error:
            yield Problem(f"labels are {ANY_TEXT!r}, but {text!r} is refused ({error})")
            return


@check()
def options(trial: Trial) -> Problems:
    """With each option of its card at another value, the generator can be loaded."""
    for name, option in (trial.card.options if trial.card else {}).items():
        if isinstance(trial.subject, str) and name in refer(trial.subject).options:
            continue
        if (value := _other(option)) is None:
            yield Problem(f"option {name!r} takes {option.default!r} alone; leave it out")
            continue
        try:
            trial.load("float32", **{name: value})
        except Exception as error:  # a backend may fail in any way at all
            yield Problem(f"with {name}={value} it cannot be loaded: {describe_error(error)}")


def _other(option: Option) -> Value | None:
    """Return a value that an option takes and that is not its default; None without any."""
    default = option.default
    near = [] if isinstance(default, bool | str) else [default + 1, default - 1]
    ends = [end for end in (option.low, option.high) if end is not None]
    for value in (*option.choices, not default, *near, *ends):
        try:
            read = option.read("it", value)
        except PandaError:
            continue
        if read != default:
            return read
    return None
