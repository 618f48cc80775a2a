"""Samples that carry changes of features: what is added when a pass comes by at a layer.

`panda invert` finds such changes beside latents. They are tensors of the samples like all others,
named ``+LAYER``, so that every choice, join and file of samples keeps them; and no backend sees
them, since `Generator` adds them around its methods.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

from panda.errors import PandaError

if TYPE_CHECKING:
    from torch import Tensor

    from panda.generators.contract import Generator, Latents, State

PREFIX = "+"
"""Before the layer, in the name of a tensor of samples."""

Method = TypeVar("Method", bound=Callable[..., Any])


def changes_of(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the changes ``[N, C, H, W]`` that samples carry, by layer."""
    return {name[1:]: rows for name, rows in tensors.items() if name.startswith(PREFIX)}


def carrying(latents: Latents, layer: str, change: Tensor) -> Latents:
    """Return the same samples with a change ``[N, C, H, W]`` that is added at a layer."""
    return replace(latents, tensors={**latents.tensors, PREFIX + layer: change})


def mixed_changes(latents: Latents, other: Latents, strengths: Tensor) -> Latents:
    """Return samples whose changes move towards those of another one, or of one for each.

    Args:
        latents: N samples.
        other: One sample, or N.
        strengths: ``[N]``; 1 arrives there.
    """
    tensors, there = dict(latents.tensors), changes_of(other.tensors)
    for layer in {**changes_of(tensors), **there}:
        name = PREFIX + layer
        like = tensors.get(name, there.get(layer))
        assert like is not None
        amount = strengths.to(like)[:, None, None, None]
        tensors[name] = (1 - amount) * tensors.get(name, 0) + amount * there.get(layer, 0)
    return replace(latents, tensors=tensors)


def without_changes(latents: Latents) -> Latents:
    """Return the same samples, which carry nothing."""
    if not changes_of(latents.tensors):
        return latents
    plain = {name: rows for name, rows in latents.tensors.items() if not name.startswith(PREFIX)}
    return replace(latents, tensors=plain)


def adds_in_head(head: Method) -> Method:
    """Wrap a backend's ``head``, so that it adds what the samples carry on the way."""

    def adding(self: Generator, latents: Latents, layer: str) -> State:
        changes = _in_order(self, latents)
        if not changes:
            return head(self, latents, layer)  # type: ignore[no-any-return]
        names, plain = list(self.layers), without_changes(latents)
        first = min(next(iter(changes)), self.layer(layer).name, key=names.index)
        state = replace(head(self, plain, first), carried=changes)
        if first in changes:
            state = _add(state, first)
        return state if first == layer else self.advance(state, first, layer)

    return _once(head, adding)


def adds_in_advance(advance: Method) -> Method:
    """Wrap a backend's ``advance``, so that it adds what is carried up to the layer it reaches."""

    def adding(self: Generator, state: State, layer: str, to_layer: str) -> State:
        carried = _carried(state)
        if not carried:
            return advance(self, state, layer, to_layer)  # type: ignore[no-any-return]
        names = list(self.layers)
        until = names.index(to_layer)
        for stop in [name for name in carried if names.index(name) <= until]:
            state = _add(run(self, state, layer, stop), stop)
            layer = stop
        return run(self, state, layer, to_layer)

    def run(self: Generator, state: State, layer: str, to_layer: str) -> State:
        if layer == to_layer:
            return state
        later: State = advance(self, replace(state, carried={}), layer, to_layer)
        return replace(later, carried=state.carried)

    return _once(advance, adding)


def adds_in_tail(tail: Method) -> Method:
    """Wrap a backend's ``tail``, so that it adds what is still carried."""

    def adding(self: Generator, state: State, layer: str) -> Tensor:
        if carried := _carried(state):
            last = list(carried)[-1]
            state, layer = self.advance(state, layer, last), last
        return tail(self, state, layer)  # type: ignore[no-any-return]

    return _once(tail, adding)


def adds_in_forward(forward: Method) -> Method:
    """Wrap a backend's ``forward``, so that it adds what the samples carry."""

    def adding(self: Generator, latents: Latents) -> Tensor:
        changes = _in_order(self, latents)
        if not changes:
            return forward(self, latents)  # type: ignore[no-any-return]
        last = list(changes)[-1]
        return self.tail(self.head(latents, last), last)

    return _once(forward, adding)


def _once(method: Method, adding: Callable[..., Any]) -> Method:
    """Return the wrapped method; one that is wrapped already stays as it is."""
    if getattr(method, "adds_carried", False):
        return method
    wrapped = wraps(method)(adding)
    wrapped.adds_carried = True  # type: ignore[attr-defined]
    return wrapped  # type: ignore[return-value]


def _in_order(generator: Generator, latents: Latents) -> dict[str, Tensor]:
    """Return the changes that samples carry, in the order of the network."""
    changes = changes_of(getattr(latents, "tensors", {}))
    if not changes:
        return {}
    for name in changes:
        if name not in generator.layers:
            raise PandaError(
                f"these samples carry a change of features at {name}, which {generator.name} has"
                " not: they are of another generator"
            )
    return {name: changes[name] for name in generator.layers if name in changes}


def _carried(state: Any) -> Mapping[str, Tensor]:
    """Return what a state carries; nothing where a faulty backend returns something else."""
    return getattr(state, "carried", {})


def _add(state: State, layer: str) -> State:
    """Add what a state carries for the layer that it is at."""
    later = {name: rows for name, rows in state.carried.items() if name != layer}
    return replace(state, x=state.x + state.carried[layer].to(state.x), carried=later)
