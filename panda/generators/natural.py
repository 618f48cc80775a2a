"""Natural input: what callers give in many forms reaches every backend as plain Python values."""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, TypeVar

from panda.errors import PandaError, PandaWarning
from panda.generators.labels import Label, as_labels
from panda.generators.seeds import as_seeds, as_whole

if TYPE_CHECKING:
    from panda.generators.contract import Generator, Latents, State

Sample = Callable[..., "Latents"]
Method = Callable[..., Any]
Advance = TypeVar("Advance", bound=Callable[..., Any])


class PositionError(PandaError, IndexError):
    """A sample beyond the last one; an IndexError, by which Python's loops end."""


def natural_sample(sample: Sample) -> Sample:
    """Wrap a backend's ``sample`` so that callers may give its arguments in any natural form.

    The backend still receives plain values: a sequence of int, a float, and an int, a str (where it
    takes texts) or None. The latents note the generator's name, and the labels that were given. A
    method that is wrapped already, or inherited from a wrapped one, is returned as it is.
    """
    if getattr(sample, "is_natural", False):
        return sample

    @wraps(sample)
    def natural(
        self: Generator, seeds: Any, *, truncation: Any = None, label: Any = None, **options: Any
    ) -> Latents:
        plain = as_seeds(seeds)
        psi = as_truncation(self.usual_truncation if truncation is None else truncation)
        if psi != 1 and not self.truncates:
            raise PandaError(
                f"{self.name} has no truncation, so only 1 has a meaning, but {psi:g} was given"
            )
        _warn_outside(psi)
        labels = as_labels(label, len(plain), self)
        draw = partial(sample, self, truncation=psi, **options)
        if isinstance(labels, list):
            latents = _sample_by_label(draw, plain, labels)
        else:
            latents = draw(plain, label=labels)
        # Latents of a wrapped generator have its name; a faulty backend may return anything.
        if labels is not None and hasattr(latents, "labels"):
            given = labels if isinstance(labels, list) else [labels] * len(plain)
            latents = replace(latents, labels=tuple(given))
        unknown = getattr(latents, "generator", None) == ""
        return replace(latents, generator=self.name) if unknown else latents

    natural.is_natural = True  # type: ignore[attr-defined]
    natural.__signature__ = _signature_for_callers(sample)  # type: ignore[attr-defined]
    return natural


def checked(method: Method) -> Method:
    """Wrap a backend's ``head`` or ``forward``, so that it only gets latents of its generator."""
    if getattr(method, "checks_latents", False):
        return method

    @wraps(method)
    def check_first(self: Generator, latents: Latents, *rest: Any, **options: Any) -> Any:
        self.check_latents(latents)
        return method(self, latents, *rest, **options)

    check_first.checks_latents = True  # type: ignore[attr-defined]
    return check_first


def to_later_layers(advance: Advance) -> Advance:
    """Wrap a backend's ``advance``, so that it only gets a layer and a later one.

    From a layer to itself, the state is returned as it is.
    """
    if getattr(advance, "checks_layers", False):
        return advance

    @wraps(advance)
    def check_first(self: Generator, state: State, layer: str, to_layer: str) -> State:
        known = list(self.layers)
        start, stop = (known.index(self.layer(name).name) for name in (layer, to_layer))
        if start > stop:
            raise PandaError(
                f"{self.name} advances from a layer to a later one, but {to_layer} comes before"
                f" {layer}"
            )
        later: State = state if start == stop else advance(self, state, layer, to_layer)
        return later

    check_first.checks_layers = True  # type: ignore[attr-defined]
    return check_first  # type: ignore[return-value]


def _signature_for_callers(sample: Sample) -> inspect.Signature:
    """Return the signature with the default that callers get: the generator's usual truncation."""
    signature = inspect.signature(sample)
    parameters = [
        parameter.replace(default=None, annotation="float | None")
        if parameter.name == "truncation"
        else parameter
        for parameter in signature.parameters.values()
    ]
    return signature.replace(parameters=parameters)


def _sample_by_label(draw: Sample, seeds: Sequence[int], labels: list[Label]) -> Latents:
    """Draw once per distinct label and put the rows back in order.

    Row i depends on ``seeds[i]`` and its label alone, so this is exact.
    """
    batches, order = [], []
    for label in dict.fromkeys(labels):
        rows = [row for row, other in enumerate(labels) if other == label]
        batches.append(draw(tuple(seeds[row] for row in rows), label=label))
        order += rows
    back = sorted(range(len(order)), key=order.__getitem__)
    return batches[0].cat(batches)[back]


def as_number(value: Any, what: str) -> float:
    """Return a finite number as a float; raises `PandaError` for anything else."""
    try:
        number = math.nan if isinstance(value, str | bool) else float(value)
    except (TypeError, ValueError, OverflowError, RuntimeError):  # a tensor of several numbers
        number = math.nan
    if not math.isfinite(number):
        raise PandaError(f"{what} {value!r:.60} is not a number, such as 0.7")
    return number


def as_truncation(value: Any) -> float:
    """Return a truncation psi from -2 to 2; raises `PandaError` for anything else."""
    psi = as_number(value, "truncation")
    if abs(psi) > 2:
        raise PandaError(
            f"truncation {psi:g} is out of range; expected -2 to 2, where 1 leaves samples as they"
            " are, 0 gives their mean and -1 their opposites"
        )
    return psi


def _warn_outside(psi: float) -> None:
    """Warn of a truncation that is not from 0 to 1: few who give one mean it."""
    if not 0 <= psi <= 1:
        where = "on the other side of their mean" if psi < 0 else "farther from their mean"
        warnings.warn(
            f"truncation {psi:g} is not from 0 to 1: samples lie {where}, where the generator was"
            " not trained",
            PandaWarning,
            stacklevel=3,
        )


def as_rows(rows: Any, count: int) -> slice | list[int]:
    """Return which of ``count`` samples are meant, as tensors take it.

    Args:
        rows: A whole number, a slice, whole numbers (list, range, NumPy, torch) or a boolean mask
            of all samples. Negative numbers count from the end.
        count: The number of samples.

    Returns:
        A slice with a positive step, or numbers from 0 to ``count - 1``.

    Raises:
        PandaError: For anything else; beyond the samples it is an IndexError too.
    """
    if isinstance(rows, slice):
        return rows if (rows.step or 1) > 0 else list(range(*rows.indices(count)))
    whole = as_whole(rows)
    given = _plain_list(rows) if whole is None else [whole]
    if given is None:
        raise PandaError(
            f"samples {rows!r:.60} cannot be chosen; expected a number, a slice, a list of numbers"
            " or a boolean mask"
        )
    if given and all(isinstance(wanted, bool) for wanted in given):
        if len(given) != count:
            raise PandaError(f"a mask of {len(given)} values was given for {count} samples")
        return [row for row, wanted in enumerate(given) if wanted]
    return [_as_row(row, count) for row in given]


def _as_row(row: Any, count: int) -> int:
    whole = as_whole(row)
    if whole is None:
        raise PandaError(f"sample {row!r:.60} is not a whole number")
    if not -count <= whole < count:
        raise PositionError(f"there is no sample {whole}; there are {count}, counted from 0")
    return whole % count


def _plain_list(values: Any) -> list[Any] | None:
    """Return the elements of an iterable or array; None for text and for what has none."""
    if hasattr(values, "tolist"):
        values = values.tolist()
    return list(values) if isinstance(values, Iterable) and not isinstance(values, str) else None
