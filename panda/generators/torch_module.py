"""Any `torch.nn.Module` behind the contract: its own forward pass, and the modules to stop at.

    from panda.generators.torch_module import TorchModule

    generator = TorchModule(network, ["main.2", "main.5"], latent=(100, 1, 1))

The features of a layer are the output of the submodule of that name. ``head`` runs the module's
forward pass and leaves it at that output; ``tail`` runs the pass again and replaces the output by
the features, and ``advance`` does so up to a later layer. So everything else that the pass carries
(skip images, conditions) is computed as always, and resuming is exact. The price is that ``tail``
costs a whole forward pass and ``advance`` as much as ``head``: what precedes the layer is computed
again, because later submodules may depend on any of it. A `Generator` written by hand avoids that.

It is a backend like any other: it uses the contract alone, and the core works without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from panda.checkpoints.digest import digest_of
from panda.errors import PandaError, describe_error, nearest
from panda.generators.contract import Generator, Latents, Layer, State
from panda.generators.moving import usable_device
from panda.generators.seeds import as_whole, seeded_normal
from panda.shapes import CHANNELS, Size


class _Reached(BaseException):
    """Leaves a forward pass at a layer; no ``except Exception`` of a module catches it."""


@dataclass(frozen=True)
class Rest:
    """What a forward pass needs to run again up to a layer's features, and on from them.

    Attributes:
        latents: What the pass starts from.
        features: The features of layers before, ``[N, C, H, W]``, which replace the outputs of
            their submodules: an edit there also reaches what bypasses the layer of the state.
    """

    latents: Latents
    features: Mapping[str, Tensor] = field(default_factory=dict)


class TorchModule(Generator):
    """A module whose ``forward`` turns latents into images, stopped and resumed by hooks.

    A forward pass of one sample finds the layers' sizes and order, and the size and channels of the
    images. The module is moved, set to eval mode and frozen in place, and must be used by one
    thread at a time. Where that pass fails, modes and ``requires_grad`` are restored.

    Latents are ``z`` ``[N, *latent]``. For a module with more inputs (labels, say) override
    ``sample`` in a subclass: the module is called with the latents' tensors in their order.

    Args:
        module: The network.
        layers: Names of submodules, as `Module.named_modules` gives them, that run once in each
            forward pass and return features ``[N, C, H, W]``.
        latent: The shape of one latent, or the length of a vector.
        draw: Return latents ``[N, ...]`` for seeds, each row from its seed alone. By default
            standard normal draws.
        images: Turn what the module returns into images ``[N, channels, H, W]`` in [-1, 1], such as
            ``lambda out: 2 * out["image"] - 1``.
        device: Where the module runs.
        dtype: A floating-point type.

    Raises:
        PandaError: For a submodule that does not exist, does not run exactly once or returns
            anything but such features, for other images, for a forward pass that fails, and for
            one that draws torch's random numbers.
    """

    usual_truncation = 1.0

    def __init__(
        self,
        module: nn.Module,
        layers: Sequence[str],
        *,
        latent: int | Sequence[int] = 512,
        draw: Callable[[Sequence[int]], Tensor | np.ndarray] | None = None,
        images: Callable[[Any], Tensor] = lambda output: output,
        device: str | torch.device = "cpu",
        dtype: str | torch.dtype = torch.float32,
    ) -> None:
        self.name = type(module).__name__
        if isinstance(module, torch.jit.ScriptModule) or not isinstance(module, nn.Module):
            raise PandaError(
                f"a {self.name} cannot be stopped in the middle; give the torch.nn.Module itself"
            )
        self.device, self.dtype = usable_device(device), _dtype(dtype)
        self.latent, self.draw, self.images = _latent_shape(latent), draw, images
        self._submodules = _submodules(module, self.name, layers)
        self._rows: list[torch.Size] | None = None
        modes = [(part, part.training) for part in module.modules()]
        learned = [parameter for parameter in module.parameters() if parameter.requires_grad]
        try:
            self.module = module.eval().requires_grad_(False).to(self.device, self.dtype)
            self.layers, self.size, self.channels = self._measure(list(self._submodules))
        except BaseException:
            for part, mode in modes:
                part.training = mode
            for parameter in learned:
                parameter.requires_grad_()
            raise

    @property
    def digest(self) -> str:
        """See `Generator.digest`; computed each time, since not all changes of tensors are counted.

        ``parameter.data.mul_()``, which moving averages of weights use, leaves no trace.
        """
        tensors = {
            name: value
            for name, value in self.module.state_dict().items()
            if isinstance(value, Tensor) and value.layout == torch.strided
        }
        if any(tensor.is_quantized for tensor in tensors.values()):
            return ""  # these have no plain numbers
        return digest_of(tensors)

    def sample(self, seeds: Any, *, truncation: Any = None, label: Any = None) -> Latents:
        """See `Generator.sample`; normal draws are multiplied by the truncation.

        Raises `PandaError` for a label, and for a truncation of what ``draw`` gives.
        """
        if label is not None:
            raise PandaError(f"{self.name} has no classes, but label {label} was given")
        if self.draw is None:
            z = truncation * torch.from_numpy(seeded_normal(seeds, *self.latent))
        elif truncation == 1:
            z = self.draw(seeds)
            z = torch.from_numpy(z) if isinstance(z, np.ndarray) else z
            if _shape(z)[:1] != [len(seeds)]:
                raise PandaError(
                    f"draw gives {_described(z)} for {len(seeds)} seeds, expected a torch.Tensor"
                    " with a row for each"
                )
        else:
            raise PandaError(
                f"{self.name} draws latents in a way of its own, whose mean is not known; only"
                f" truncation 1 has a meaning, but {truncation} was given"
            )
        return Latents(tuple(seeds), {"z": z.to(self.device, self.dtype)})

    def head(self, latents: Latents, layer: str) -> State:
        """See `Generator.head`. The state's rest is a `Rest`."""
        return self._run_to(self.layer(layer).name, Rest(latents))

    def advance(self, state: State, layer: str, to_layer: str) -> State:
        """See `Generator.advance`. Costs as much as ``head`` to ``to_layer``."""
        return self._run_to(to_layer, self._given(state, layer))

    def tail(self, state: State, layer: str) -> Tensor:
        """See `Generator.tail`. Costs a whole forward pass."""
        rest = self._given(state, layer)
        with self._replaced(rest), self._explained(rest.latents):
            return self.images(self._run(rest.latents))

    def forward(self, latents: Latents) -> Tensor:
        """See `Generator.forward`."""
        with self._explained(latents):
            return self.images(self._run(latents))

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
        return Rest(rest.latents, {**rest.features, layer: state.x})

    def _run_to(self, layer: str, rest: Rest) -> State:
        """Run the forward pass up to a layer, with the features of the layers before."""
        reached = []

        def stop(_path: str, output: Tensor) -> None:
            reached.append(output)
            raise _Reached

        with self._replaced(rest), self._hooked([layer], stop):
            try:
                with self._explained(rest.latents):
                    self._run(rest.latents)
            except _Reached:
                return State(reached[0], rest)
        raise PandaError(f"{self.name} did not run {layer!r} in this forward pass")

    def _replaced(self, rest: Rest) -> AbstractContextManager[None]:
        """Replace the outputs of submodules, within this context only."""
        # What follows may work in place (ReLU often does), and the state is the caller's.
        return self._hooked(list(rest.features), lambda path, _: rest.features[path].clone())

    def _run(self, latents: Latents) -> Any:
        """Run the module's forward pass on copies, since it may work in place."""
        return self.module(*(tensor.clone() for tensor in latents.tensors.values()))

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

    @contextmanager
    def _hooked(self, paths: Sequence[str], hook: Callable[..., Any]) -> Iterator[None]:
        """Call ``hook(path, output)`` after these modules, within this context only."""

        def attach(path: str) -> RemovableHandle:
            module = self._submodules[path]
            return module.register_forward_hook(lambda _module, _inputs, out: hook(path, out))

        handles = [attach(path) for path in paths]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _measure(self, paths: Sequence[str]) -> tuple[dict[str, Layer], Size, int]:
        """Return the layers in the order in which they run; size and channels of images."""
        runs: list[Layer] = []
        latents, before = self.sample([0]), self._random_state()
        with self._hooked(paths, lambda path, out: runs.append(_layer(path, out))):
            image = self.forward(latents)
        if self._random_state() != before:
            raise PandaError(
                f"{self.name} draws random numbers in its forward pass, so that its images are not"
                " those of their seeds; give it fixed noise, or draw the noise in sample"
            )
        self._rows = _row_shapes(latents)
        layers = {layer.name: layer for layer in runs}
        for path in paths:
            if (count := sum(layer.name == path for layer in runs)) != 1:
                raise PandaError(
                    f"{path!r} runs {count} times in a forward pass of {self.name}, expected once;"
                    " name a module around it or inside it (scripted modules hide theirs)"
                )
        shape = _shape(image)
        if len(shape) != 4 or shape[0] != 1 or shape[1] not in CHANNELS or 0 in shape:
            raise PandaError(
                f"{self.name} gives {_described(image)}, expected images [N, C, H, W] in [-1, 1]"
                " of 1, 3 or 4 channels; say with images= how they are made of it"
            )
        return layers, (shape[2], shape[3]), shape[1]

    def _random_state(self) -> list[bytes]:
        """Return the states of torch's global random number generators."""
        states = [torch.get_rng_state()]
        if self.device.type == "cuda":
            states.append(torch.cuda.get_rng_state(self.device))
        return [state.numpy().tobytes() for state in states]


def _submodules(module: nn.Module, name: str, paths: Sequence[str]) -> dict[str, nn.Module]:
    """Return the submodules by name, in the order given; two names may be of one module."""
    given = [] if isinstance(paths, str) or not isinstance(paths, Iterable) else list(paths)
    if not given or len(set(given)) < len(given):
        raise PandaError(f"layers are a list of names, each once, but {paths!r} was given")
    try:
        known = dict(module.named_modules(remove_duplicate=False))
    except RecursionError as error:
        raise PandaError(
            f"{name} contains itself as a submodule, which cannot be walked"
        ) from error
    del known[""]
    for path in given:
        if path not in known:
            raise PandaError(f"{name} has no module {path!r}{nearest(str(path), known)}")
    return {path: known[path] for path in given}


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


def _layer(path: str, output: object) -> Layer:
    if not isinstance(output, Tensor) or output.ndim != 4:
        raise PandaError(
            f"module {path!r} gives {_described(output)}, expected features [N, C, H, W]; name a"
            " module inside it"
        )
    return Layer(path, *output.shape[1:])


def _row_shapes(latents: Latents) -> list[torch.Size]:
    return [tensor.shape[1:] for tensor in latents.tensors.values()]


def _shape(value: object) -> list[int]:
    return list(value.shape) if isinstance(value, Tensor) else []


def _described(value: object) -> str:
    return str(_shape(value)) if isinstance(value, Tensor) else f"a {type(value).__name__}"
