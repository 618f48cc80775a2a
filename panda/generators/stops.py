"""When the features of each layer come by in a pass of a network, found by one of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from panda.errors import PandaError, nearest
from panda.generators.contract import Layer
from panda.generators.places import ALL, Place

START = -1
"""The number of what comes before step 0; that of what comes after the last is their number."""

Time = tuple[int, int]
"""When a submodule is called: the number of the step, and that of the call in it."""

Act = Callable[[Time, Any], Any]
"""What is done after such a call, with the output; unless it returns None, that replaces it."""


@dataclass(frozen=True)
class Stop:
    """A layer of a network, and when its features come by.

    Attributes:
        place: Where they are.
        times: When; those of several calls lie side by side on channels, in this order.
        layer: Their sizes.
    """

    place: Place
    times: tuple[Time, ...]
    layer: Layer

    @property
    def first(self) -> int:
        """The step in which the first of them come by."""
        return self.times[0][0]

    @property
    def last(self) -> int:
        """The step in which the last of them come by."""
        return self.times[-1][0]

    def replacing(self, x: Tensor, samples: int) -> Act:
        """Return what replaces the layer's features by ``x`` ``[N, C, H, W]``."""
        blocks = dict(zip(self.times, x.chunk(len(self.times), 1), strict=True))

        def act(time: Time, output: Any) -> Any:
            return self.place.write(output, blocks[time], samples) if time in blocks else None

        return act


class Watch:
    """The submodules of a network while it runs.

    Attributes:
        step: The number of the step that runs.
    """

    def __init__(self, submodules: Mapping[str, nn.Module]) -> None:
        self.step = START
        self._submodules = submodules

    @contextmanager
    def after(self, path: str, act: Act) -> Iterator[None]:
        """Call ``act(time, output)`` after each call of a submodule, within this context only.

        What it returns, unless it is None, replaces the output. Of several, the first acts first.
        """
        calls = Counter[int]()

        def hook(_module: nn.Module, _inputs: Any, output: Any) -> Any:
            time = self.step, calls[self.step]
            calls[self.step] += 1
            return act(time, output)

        handle = self._submodules[path].register_forward_hook(hook)
        try:
            yield
        finally:
            handle.remove()


@dataclass
class Record:
    """What came by at a place in a pass.

    Attributes:
        name: The name of the place.
        place: The place.
        calls: How often its submodule ran, by step.
        shapes: The features' shape ``[1, C, H, W]`` by time, for the calls that the place is of.
        order: How many calls of all places had come by before each, by time.
    """

    name: str
    place: Place
    calls: Counter[int] = field(default_factory=Counter)
    shapes: dict[Time, tuple[int, ...]] = field(default_factory=dict)
    order: dict[Time, int] = field(default_factory=dict)


def recorder(records: Iterable[Record], record: Record) -> Act:
    """Return what keeps record of a place after each call; the order is that over all records."""

    def act(time: Time, output: Any) -> None:
        step, call = time
        place = record.place
        record.calls[step] += 1
        wanted = place.call == ALL or call == (place.call or 0)
        if wanted and place.step in (None, ALL, step):
            record.order[time] = sum(len(other.order) for other in records)
            record.shapes[time] = tuple(place.read(output, 1).shape)

    return act


def stops_of(records: Iterable[Record], network: str, steps: int | None) -> dict[str, Stop]:
    """Return the layers by name, in the order in which they first come by.

    Args:
        records: What came by, of each place.
        network: The network's name, for errors.
        steps: How many steps it has; None where it is none of `Steps`.

    Raises:
        PandaError: For a place that does not come by as it says.
    """
    stops: list[tuple[int, str, Stop]] = []
    for record in records:
        _check_calls(record, network, steps)
        times = sorted(record.shapes, key=record.order.__getitem__)
        stops += [
            (record.order[own[0]], name, _stop(record, name, own, network))
            for name, own in _groups(record, times, steps).items()
            if own
        ]
    named = {name: stop for _, name, stop in sorted(stops, key=lambda entry: entry[0])}
    if len(named) < len(stops):
        names = [name for _, name, _ in stops]
        twice = next(name for name in names if names.count(name) > 1)
        raise PandaError(f"two layers of {network} would be named {twice!r}; name one otherwise")
    return named


def _groups(record: Record, times: list[Time], steps: int | None) -> dict[str, list[Time]]:
    """Return the times of each layer that a place is, by the layers' names."""
    name, step = record.name, record.place.step
    inside = [time for time in times if START < time[0] < (steps or 0)]
    if steps is None or not inside or step is not None:
        return {name: inside if step == ALL else times}
    each = {f"{name}@{k}": [time for time in inside if time[0] == k] for k in range(steps)}
    return {f"{name}@*": inside, **each}


def _stop(record: Record, name: str, times: list[Time], network: str) -> Stop:
    shapes = list(dict.fromkeys(record.shapes[time] for time in times))
    if len(shapes) > 1:
        raise PandaError(
            f"{record.place.module!r} gives features {' and '.join(str(list(s)) for s in shapes)}"
            f" in its calls of {network}; only those of one size can be one layer"
        )
    _, channels, height, width = shapes[0]
    return Stop(record.place, tuple(times), Layer(name, channels * len(times), height, width))


def _check_calls(record: Record, network: str, steps: int | None) -> None:
    place, calls = record.place, record.calls
    span = f"a forward pass of {network}" if steps is None else f"a step of {network}"
    if place.step is not None and steps is None:
        raise PandaError(
            f"Place({place.module!r}, step={place.step!r}) is of a module of Steps, but {network}"
            " is none; say which of its calls in a forward pass with call="
        )
    if steps is not None and place.step not in (None, ALL) and place.step >= steps:
        raise PandaError(f"{network} has steps 0 to {steps - 1}, but step={place.step} was given")
    most = max(calls.values(), default=0)
    if place.call is None and most != 1:
        advice = (
            f"say which with Place({place.module!r}, call=0), or take all with call='all'"
            if most
            else "name a module around it or inside it, whose forward runs (scripted modules hide"
            " theirs)"
        )
        raise PandaError(f"{place.module!r} runs {most} times in {span}, expected once; {advice}")
    if not record.shapes:
        which = f"call {place.call or 0}" + ("" if place.step is None else f" in step {place.step}")
        raise PandaError(
            f"{place.module!r} runs {most} time{'' if most == 1 else 's'} in {span}, counted from"
            f" 0; there is no {which}"
        )


def as_places(layers: Any) -> dict[str, Place]:
    """Return places by their layers' names.

    Raises:
        PandaError: For what is neither names of submodules nor a dict of names or places.
    """
    if isinstance(layers, Mapping):
        given = dict(layers)
    else:
        names = [] if isinstance(layers, str) or not isinstance(layers, Iterable) else list(layers)
        given = {name: name for name in names if isinstance(name, str)}
        if len(given) < len(names):
            given = {}
    if not given:
        raise PandaError(
            f"layers are a list of names, each once, or a dict of names to a Place, but {layers!r}"
            " was given"
        )
    for name, place in given.items():
        if not isinstance(name, str) or not name or not isinstance(place, str | Place):
            raise PandaError(
                "layers are {name: Place(...)}, or the name of a submodule in its place, but"
                f" {name!r:.60}: {place!r:.60} was given"
            )
    return {n: Place(place) if isinstance(place, str) else place for n, place in given.items()}


def submodules_of(module: nn.Module, name: str, paths: Iterable[Any]) -> dict[str, nn.Module]:
    """Return submodules by name; two names may be of one module.

    Raises:
        PandaError: For a name that there is not, and a module that contains itself.
    """
    try:
        known = dict(module.named_modules(remove_duplicate=False))
    except RecursionError as error:
        raise PandaError(
            f"{name} contains itself as a submodule, which cannot be walked"
        ) from error
    del known[""]
    for path in paths:
        if path not in known:
            raise PandaError(f"{name} has no module {path!r}{nearest(str(path), known)}")
    return {path: known[path] for path in paths}
