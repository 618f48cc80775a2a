"""Any `torch.nn.Module` behind the contract: its own forward pass, and the places to stop at.

    from panda.generators.torch_module import TorchModule

    generator = TorchModule(network, ["main.2", "main.5"], latent=(100, 1, 1))

The features of a layer are the output of a submodule, or what a `Place` reads in it. ``head`` runs
the module's forward pass and leaves it at that output; ``tail`` runs the pass again and replaces
the output by the features, and ``advance`` does so up to a later layer. So everything else that the
pass carries (skip images, conditions) is computed as always, and resuming is exact. The price is
that ``tail`` costs a whole forward pass and ``advance`` as much as ``head``: what precedes the
layer is computed again, because later submodules may depend on any of it. A module of several
`Steps` resumes at the step, and a `Generator` written by hand computes nothing twice.

It is a backend like any other: it uses the contract alone, and the core works without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from panda.checkpoints.digest import digest_of
from panda.checkpoints.strict import COUNTER
from panda.errors import PandaError, describe_error
from panda.generators.contract import Generator, Latents, State
from panda.generators.fixed_noise import FixedNoise, random_states
from panda.generators.moving import usable_device
from panda.generators.places import Place, described
from panda.generators.seeds import as_count, as_whole, seeded_normal
from panda.generators.steps import OneStep, Steps, copied
from panda.generators.stops import (
    START,
    Act,
    Record,
    Stop,
    Time,
    Watch,
    as_places,
    recorder,
    stops_of,
    submodules_of,
)
from panda.shapes import CHANNELS, Size

Rows = Tensor | np.ndarray
"""Latents of one kind, ``[N, ...]``."""


class _Reached(BaseException):
    """Leaves a forward pass at a layer; no ``except Exception`` of a module catches it."""


@dataclass(frozen=True)
class Rest:
    """What a forward pass needs to run again up to a layer's features, and on from them.

    Attributes:
        latents: What the whole pass starts from.
        step: The step at which it runs again: -1 is the start, and the steps' number the end.
        state: The state before that step; None before the start.
        features: The features of layers before, ``[N, C, H, W]``, which replace those of the
            network: an edit there also reaches what bypasses the layer of the state.
    """

    latents: Latents
    step: int = START
    state: Any = None
    features: Mapping[str, Tensor] = field(default_factory=dict)


class TorchModule(Generator):
    """A module whose ``forward`` turns latents into images, stopped and resumed by hooks.

    A forward pass of one sample finds the layers' sizes and order, and the size and channels of the
    images. The module is moved, set to eval mode and frozen in place, and must be used by one
    thread at a time. Where that pass fails, modes and ``requires_grad`` are restored.

    Latents are ``z`` ``[N, *latent]``, or what ``draw`` gives. For labels override ``sample`` in a
    subclass. The module is called with the latents' tensors in their order.

    Args:
        module: The network. One of `Steps` is resumed at the step of a layer, any other at its
            start.
        layers: Names of submodules, as `Module.named_modules` gives them, that run once in each
            forward pass and return features ``[N, C, H, W]``; or a dict of layers' names to a
            `Place`, which says how features lie in what a submodule returns. In a module of
            `Steps` each is the layers ``NAME@0``, ``NAME@1``, ... and ``NAME@*``, all at once;
            what runs in its start or finish alone is ``NAME``.
        latent: The shape of one latent, or the length of a vector.
        draw: Return latents ``[N, ...]`` for seeds, each row from its seed alone, or a dict of
            several by name. By default standard normal draws.
        inputs: Turn the latents' tensors, a dict by name, into what the module is called with: a
            dict of arguments by keyword, a tuple of those by position, or a single one, such as
            ``lambda latents: {"sample": latents["z"], "return_dict": False}``.
        images: Turn what the module returns into images ``[N, channels, H, W]`` in [-1, 1], such as
            ``lambda out: 2 * out["image"] - 1``.
        fixed_noise: Make what torch's functions draw at random in a forward pass one value for
            each place and seed, as `FixedNoise` does; truncation is 1 then. Without it such
            modules are refused.
        device: Where the module runs.
        dtype: A floating-point type.

    Raises:
        PandaError: For a submodule that does not exist, does not run exactly once or returns
            anything but such features, unless a place says otherwise, for other images, for a
            forward pass that fails, for one that draws torch's random numbers, and for weights
            without numbers.
    """

    usual_truncation = 1.0

    def __init__(
        self,
        module: nn.Module,
        layers: Iterable[str] | Mapping[str, Place | str],
        *,
        latent: int | Sequence[int] = 512,
        draw: Callable[[Sequence[int]], Rows | Mapping[str, Rows]] | None = None,
        inputs: Callable[[dict[str, Tensor]], Any] = lambda latents: tuple(latents.values()),
        images: Callable[[Any], Tensor] = lambda output: output,
        fixed_noise: bool = False,
        device: str | torch.device = "cpu",
        dtype: str | torch.dtype = torch.float32,
    ) -> None:
        self.name = type(module).__name__
        if isinstance(module, torch.jit.ScriptModule) or not isinstance(module, nn.Module):
            raise PandaError(
                f"a {self.name} cannot be stopped in the middle; give the torch.nn.Module itself"
            )
        self.device, self.dtype = usable_device(device), _dtype(dtype)
        self.latent, self.draw = _latent_shape(latent), draw
        # Else the mean of what it draws is not known.
        self.truncates = draw is None and not fixed_noise
        self.inputs, self.images, self.fixed_noise = inputs, images, fixed_noise
        places = as_places(layers)
        paths = [place.module for place in places.values()]
        self._submodules = submodules_of(module, self.name, paths)
        self._steps = module if isinstance(module, Steps) else OneStep(module)
        self._count = as_count(getattr(self._steps, "count", None), f"steps of {self.name}")
        self._rows: list[torch.Size] | None = None
        _check_numbers(module, self.name)
        modes = [(part, part.training) for part in module.modules()]
        learned = [parameter for parameter in module.parameters() if parameter.requires_grad]
        try:
            self.module = module.eval().requires_grad_(False).to(self.device, self.dtype)
            self._stops, self.size, self.channels = self._measure(places)
        except BaseException:
            for part, mode in modes:
                part.training = mode
            for parameter in learned:
                parameter.requires_grad_()
            raise
        self.layers = {name: stop.layer for name, stop in self._stops.items()}

    @property
    def digest(self) -> str:
        """See `Generator.digest`; computed each time, since not all changes of tensors are counted.

        ``parameter.data.mul_()``, which moving averages of weights use, leaves no trace. What batch
        normalization counted in training is no weight.
        """
        tensors = {
            name: value
            for name, value in self.module.state_dict().items()
            if isinstance(value, Tensor)
            and value.layout == torch.strided
            and name.rpartition(".")[2] != COUNTER
        }
        if any(tensor.is_quantized for tensor in tensors.values()):
            return ""  # these have no plain numbers
        return digest_of(tensors)

    def sample(self, seeds: Any, *, truncation: Any = None, label: Any = None) -> Latents:
        """See `Generator.sample`; normal draws are multiplied by the truncation.

        What ``draw`` gives is not truncated. Raises `PandaError` for a label.
        """
        if label is not None:
            raise PandaError(f"{self.name} has no classes, but label {label} was given")
        if self.draw is None:
            drawn: Any = truncation * seeded_normal(seeds, *self.latent)
        else:
            drawn = self.draw(seeds)
        named = drawn if isinstance(drawn, Mapping) else {"z": drawn}
        tensors = {name: self._rows_of(rows, len(seeds)) for name, rows in named.items()}
        return Latents(tuple(seeds), tensors)

    def _rows_of(self, drawn: Any, count: int) -> Tensor:
        """Return what ``draw`` gives as a tensor of this generator; whole numbers stay whole."""
        rows = torch.from_numpy(drawn) if isinstance(drawn, np.ndarray) else drawn
        if not isinstance(rows, Tensor) or rows.shape[:1] != (count,):
            raise PandaError(
                f"draw gives {described(rows)} for {count} seeds, expected a torch.Tensor with a"
                " row for each"
            )
        return rows.to(self.device, self.dtype if rows.is_floating_point() else rows.dtype)

    def head(self, latents: Latents, layer: str) -> State:
        """See `Generator.head`. The state's rest is a `Rest`."""
        return self._run_to(self.layer(layer).name, Rest(latents))

    def advance(self, state: State, layer: str, to_layer: str) -> State:
        """See `Generator.advance`. Costs the steps from that of ``layer`` to ``to_layer``."""
        return self._run_to(to_layer, self._given(state, layer))

    def tail(self, state: State, layer: str) -> Tensor:
        """See `Generator.tail`. Costs the steps from that of ``layer`` on."""
        return self._run(self._given(state, layer))

    def forward(self, latents: Latents) -> Tensor:
        """See `Generator.forward`."""
        return self._run(Rest(latents))

    def _given(self, state: State, layer: str) -> Rest:
        """Return a state's rest with its own features; raises `PandaError` for foreign ones."""
        place, given, rest = self.layer(layer), tuple(state.x.shape), state.rest
        if not isinstance(rest, Rest):
            raise PandaError(
                f"{self.name} resumes states that its head returned, but {state} was given"
            )
        expected = (len(rest.latents), place.channels, place.height, place.width)
        if given != expected:
            raise PandaError(f"{self.name} got features {given} at {layer}, expected {expected}")
        return replace(rest, features={**rest.features, layer: state.x})

    def _run_to(self, layer: str, rest: Rest) -> State:
        """Run the forward pass up to a layer, with the features of the layers before."""
        stop, read, reached = self._stops[layer], list[Tensor](), list[Rest]()
        features = {n: x for n, x in rest.features.items() if self._stops[n].last >= stop.first}

        def keep(step: int, state: Any) -> None:
            if step == stop.first:
                reached.append(Rest(rest.latents, step, copied(state), features))

        def look(time: Time, output: Any) -> None:
            if time in stop.times:
                x = stop.place.read(output, len(rest.latents))
                # Where the pass goes on, what follows may work in place (ReLU often does).
                read.append(x if len(stop.times) == 1 else x.clone())
                if len(read) == len(stop.times):
                    raise _Reached

        try:
            self._run(rest, [(stop.place.module, look)], keep)
        except _Reached:
            return State(read[0] if len(read) == 1 else torch.cat(read, 1), reached[0])
        raise PandaError(f"{self.name} did not run {layer!r} in this forward pass")

    def _run(
        self,
        rest: Rest,
        watched: Iterable[tuple[str, Act]] = (),
        before: Callable[[int, Any], None] = lambda step, state: None,
    ) -> Tensor:
        """Run the forward pass from a step on and return images.

        Args:
            rest: Where it starts, and the features that replace the network's.
            watched: Submodules, and what looks at their outputs after these were replaced.
            before: Called before each step, with its number and the state.
        """
        count = len(rest.latents)
        watch, noise = Watch(self._submodules), FixedNoise(rest.latents.seeds, self.name)
        with self._explained(rest.latents), ExitStack() as stack:
            if self.fixed_noise:
                stack.enter_context(noise)
            for name, x in rest.features.items():
                stop = self._stops[name]
                stack.enter_context(watch.after(stop.place.module, stop.replacing(x, count)))
            for path, act in watched:
                stack.enter_context(watch.after(path, act))
            state = copied(rest.state)
            for step in range(rest.step, self._count + 1):
                before(step, state)
                watch.step = step
                noise.at(step - START)
                if step == START:
                    state = self._start(rest.latents)
                elif step < self._count:
                    state = self._steps.step(step, state)
            return self.images(self._steps.finish(state))

    def _start(self, latents: Latents) -> Any:
        """Return the state before the first step, of copies, since it may work in place."""
        given = self.inputs({name: tensor.clone() for name, tensor in latents.tensors.items()})
        if isinstance(given, dict):
            return self._steps.start(**given)
        return self._steps.start(*(given if isinstance(given, tuple) else (given,)))

    @contextmanager
    def _explained(self, latents: Latents) -> Iterator[None]:
        """Turn an error into one sentence, unless the module ran on such latents before."""
        try:
            yield
        except PandaError:
            raise
        except Exception as error:  # a module may fail in any way at all
            if _row_shapes(latents) == self._rows:
                raise
            given = [list(tensor.shape) for tensor in latents.tensors.values()]
            raise PandaError(
                f"{self.name} does not run on latents {given}: {describe_error(error)}"
            ) from error

    def _measure(self, places: Mapping[str, Place]) -> tuple[dict[str, Stop], Size, int]:
        """Return the layers in the order in which they run; size and channels of images."""
        records = [Record(name, place) for name, place in places.items()]
        latents, before = self.sample([0]), random_states(self.device)
        image = self._run(Rest(latents), [(r.place.module, recorder(records, r)) for r in records])
        if random_states(self.device) != before:
            raise PandaError(
                f"{self.name} draws random numbers in its forward pass, so that its images are not"
                " those of their seeds; fixed_noise=True draws them from the seeds, or draw them in"
                " sample"
            )
        self._rows = _row_shapes(latents)
        stops = stops_of(records, self.name, self._count if self.module is self._steps else None)
        shape = _shape(image)
        if len(shape) != 4 or shape[0] != 1 or shape[1] not in CHANNELS or 0 in shape:
            raise PandaError(
                f"{self.name} gives {described(image)}, expected images [N, C, H, W] in [-1, 1]"
                " of 1, 3 or 4 channels; say with images= how they are made of it"
            )
        if not image.is_floating_point():
            kind = str(image.dtype).removeprefix("torch.")
            raise PandaError(
                f"{self.name} gives images of type {kind}, expected floating-point numbers in"
                " [-1, 1]; say with images= how they are made of it"
            )
        if self.fixed_noise:
            self._check_noise(image)
        return stops, (shape[2], shape[3]), shape[1]

    def _check_noise(self, image: Tensor) -> None:
        """Raise `PandaError` where noise of one sample depends on the others: rows are no proof."""
        again = self._run(Rest(self.sample([1, 0])))[1:]
        if float((again - image).abs().max()) > 1e-4 * max(1.0, float(image.abs().max())):
            raise PandaError(
                f"an image of {self.name} is another one in a batch of two, so that the rows of"
                " what it draws, or computes, are not those of the samples; fixed_noise is for"
                " noise [N, ...], or [2N, ...] of a guided batch"
            )


def _check_numbers(module: nn.Module, name: str) -> None:
    """Raise `PandaError` for weights that hold no numbers: lazy ones, and those on meta."""
    for path, tensor in chain(module.named_parameters(), module.named_buffers()):
        if is_lazy(tensor) or tensor.is_meta:
            raise PandaError(
                f"{path!r} of {name} has no numbers yet; call lazy modules once, and load the"
                " weights of a module that was made on the meta device"
            )


def _latent_shape(given: Any) -> tuple[int, ...]:
    """Return the shape of one latent; raises `PandaError` for anything else."""
    numbers = given if as_whole(given) is None and isinstance(given, Iterable) else [given]
    sizes = [as_whole(number) for number in numbers]
    if not sizes or not all(size is not None and size > 0 for size in sizes):
        raise PandaError(f"latent is the shape of one, such as (512,), but {given!r} was given")
    return tuple(size for size in sizes if size is not None)


def _dtype(given: str | torch.dtype) -> torch.dtype:
    """Return torch's dtype; raises `PandaError` for one that is not floating-point."""
    kind = getattr(torch, given, None) if isinstance(given, str) else given
    if not isinstance(kind, torch.dtype) or not kind.is_floating_point:
        raise PandaError(f"dtype {given!r} is not a floating-point type, such as torch.float32")
    return kind


def _row_shapes(latents: Latents) -> list[torch.Size]:
    return [tensor.shape[1:] for tensor in latents.tensors.values()]


def _shape(value: object) -> list[int]:
    return list(value.shape) if isinstance(value, Tensor) else []
