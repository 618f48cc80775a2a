"""The contract between the core and every generator: how to sample, stop at a layer and resume.

The core knows nothing else of a generator. Nothing here imports torch at run time, so that cards
and listings stay cheap.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from panda.errors import PandaError, nearest
from panda.generators.carried import (
    adds_in_advance,
    adds_in_forward,
    adds_in_head,
    adds_in_tail,
)
from panda.generators.form import gives_features, gives_images
from panda.generators.labels import Label, Names, OldClassNames
from panda.generators.natural import (
    as_number,
    as_rows,
    checked,
    natural_sample,
    to_later_layers,
)
from panda.generators.seeds import as_plain, seeds_text
from panda.report.table import Table
from panda.shapes import OldResolution, size_text

if TYPE_CHECKING:
    import torch


ALL_STEPS = "@*"
"""How the name of a layer ends that is a place in all steps of a sampler."""


@dataclass(frozen=True)
class Layer:
    """A place where a generator can be stopped: its features are ``[N, channels, height, width]``.

    Attributes:
        name: The layer's name in its generator.
        channels: C, the number of channels.
        height: Rows of positions, those outside the image included.
        width: Columns of positions, likewise.
        margin: Rows and columns on each side that lie outside the image (StyleGAN3).
    """

    name: str
    channels: int
    height: int
    width: int
    margin: int = 0

    def __post_init__(self) -> None:
        """Take sizes of NumPy and torch as Python's, which JSON takes too."""
        for name in ("channels", "height", "width", "margin"):
            object.__setattr__(self, name, as_plain(getattr(self, name)))

    @property
    def positions(self) -> int:
        """S, the number of spatial positions."""
        return self.height * self.width

    @property
    def side(self) -> int:
        """Positions inside the image, from top to bottom: the height without margins."""
        return self.height - 2 * self.margin


def without_steps(layers: Mapping[str, Layer]) -> list[Layer]:
    """Return all layers but those of single steps (``mid@3``) beside one of all steps (``mid@*``).

    What is changed in a single step of a sampler, later steps take back, so that no analysis takes
    such a layer where nobody names it.
    """
    return [
        layer
        for name, layer in layers.items()
        if name.endswith(ALL_STEPS) or f"{name.rpartition('@')[0]}{ALL_STEPS}" not in layers
    ]


def last_layers(generator: Generator) -> list[Layer]:
    """Return the last layer of each size, and of each inside a sampler; from coarse to fine.

    So a diffusion model has two layers of the size of its latents: the last one of all steps, and
    the last one of its decoder.
    """
    layers = without_steps(generator.layers)
    last = {(layer.side, not layer.name.endswith(ALL_STEPS)): layer for layer in layers}
    return [last[size] for size in sorted(last)]


def on_canvas(maps: torch.Tensor, layer: Layer) -> torch.Tensor:
    """Cut maps ``[N, H, W]`` of a layer's positions to those inside the image."""
    margin = layer.margin
    return maps[:, margin : maps.shape[1] - margin, margin : maps.shape[2] - margin]


@dataclass(frozen=True, eq=False, repr=False)
class Latents:
    """What a generator draws from seeds: a sequence of samples.

    ``latents[0]``, a slice, a list of numbers or a boolean mask gives `Latents` again, and a loop
    gives one sample at a time. Two of them are equal only where they are the same object, as
    modules of torch are.

    Attributes:
        seeds: One for each sample.
        tensors: Tensors with one row for each sample, by name. Row i depends on ``seeds[i]``
            alone. Which tensors there are is up to the backend.
        generator: The name of the generator that drew them; empty where it is not known.
        labels: The class of each sample by its number, or its text; None where there are none, or
            it is not known.
    """

    seeds: tuple[int, ...]
    tensors: Mapping[str, torch.Tensor]
    generator: str = ""
    labels: tuple[Label, ...] | None = None

    def __post_init__(self) -> None:
        """Take seeds and labels of NumPy and torch as Python's, which JSON takes too."""
        object.__setattr__(self, "seeds", tuple(map(as_plain, self.seeds)))
        if self.labels is not None:
            object.__setattr__(self, "labels", tuple(map(as_plain, self.labels)))

    def __len__(self) -> int:
        return len(self.seeds)

    def __getitem__(self, rows: Any) -> Latents:
        chosen = as_rows(rows, len(self))
        numbers = range(len(self))[chosen] if isinstance(chosen, slice) else chosen
        seeds = tuple(self.seeds[row] for row in numbers)
        labels = None if self.labels is None else tuple(self.labels[row] for row in numbers)
        tensors = {name: tensor[chosen] for name, tensor in self.tensors.items()}
        return replace(self, seeds=seeds, tensors=tensors, labels=labels)

    def __iter__(self) -> Iterator[Latents]:
        return (self[row : row + 1] for row in range(len(self)))

    @staticmethod
    def cat(batches: Sequence[Latents]) -> Latents:
        """Join batches of one generator, in their order.

        Raises:
            PandaError: Where there are none, they are of several generators, or their tensors
                differ in name or in the shape of a row.
        """
        import torch

        batches = list(batches)
        if not batches:
            raise PandaError("no latents were given to join; at least one batch is needed")
        names = sorted({batch.generator for batch in batches} - {""})
        if len(names) > 1:
            raise PandaError(f"latents of {' and '.join(names)} cannot be joined")
        shapes = [{k: list(t.shape[1:]) for k, t in batch.tensors.items()} for batch in batches]
        for other in shapes[1:]:
            if other != shapes[0]:
                raise PandaError(
                    f"latents with rows {other} cannot be joined to those with rows {shapes[0]}"
                )
        tensors = {name: torch.cat([b.tensors[name] for b in batches]) for name in shapes[0]}
        seeds = tuple(seed for batch in batches for seed in batch.seeds)
        known = [batch.labels for batch in batches if batch.labels is not None]
        all_known = len(known) == len(batches)
        labels = tuple(label for row in known for label in row) if all_known else None
        joined = replace(batches[0], seeds=seeds, tensors=tensors, labels=labels)
        return replace(joined, generator="".join(names))

    def to(self, device: str | torch.device) -> Latents:
        """Return these latents on another device; raises `PandaError` where it cannot be used."""
        from panda.generators.moving import usable_device

        target = usable_device(device)
        tensors = {name: tensor.to(target) for name, tensor in self.tensors.items()}
        return replace(self, tensors=tensors)

    def __repr__(self) -> str:
        count = f"{len(self)} sample{'' if len(self) == 1 else 's'}"
        shapes = "".join(f", {name} {list(t.shape)}" for name, t in self.tensors.items())
        return f"Latents({count}, {seeds_text(self.seeds)}{shapes})"

    def _repr_html_(self) -> str:
        """Show seeds and tensors in a notebook."""
        rows = [
            (name, str(list(t.shape)), str(t.dtype).removeprefix("torch."), str(t.device))
            for name, t in self.tensors.items()
        ]
        title = f"Latents: {seeds_text(self.seeds)}"
        return Table(("tensor", "shape", "dtype", "device"), rows, title).to_html(caption=True)


@dataclass(frozen=True, eq=False, repr=False)
class State:
    """What ``head`` and ``advance`` hand on; the core may read and replace ``x``, nothing else.

    Two of them are equal only where they are the same object.

    Attributes:
        x: The features, ``[N, C, H, W]``.
        rest: Whatever else the backend needs to resume.
        carried: Changes ``[N, C, H, W]`` that are added at later layers, by layer; backends need
            not know of it.
    """

    x: torch.Tensor
    rest: Any = None
    carried: Mapping[str, torch.Tensor] = field(default_factory=dict)

    def with_features(self, x: torch.Tensor) -> State:
        """Return this state with other features ``[N, C, H, W]``, and all else as it is."""
        return replace(self, x=x)

    def __repr__(self) -> str:
        return f"State(x {list(self.x.shape)}, rest {type(self.rest).__name__})"


class Generator(ABC):
    """A pretrained image generator that can be stopped at each of its layers and resumed.

    ``tail(head(z, l), l)`` equals ``forward(z)`` for every layer l, and where it can advance,
    ``advance(head(z, k), k, l)`` is ``head(z, l)``. Parameters do not require
    gradients, so no graph is recorded unless a caller asks for one with its own inputs.
    ``generator(latents)`` is ``generator.forward(latents)``.
    """

    name: str = ""
    """The name it was created under; factors remember it."""

    layers: Mapping[str, Layer]
    """Every layer by name, in the order of the network."""

    size: tuple[int, int]
    """Height and width of the images, in pixels."""

    channels: int = 3
    """Channels of the images: 1 for gray, 3 for RGB, 4 for RGBA."""

    device: torch.device

    digest_in_file: str = ""
    """The digest of the weights in the checkpoint that it was built from; empty without one."""

    usual_truncation: float = 0.7
    """The psi of ``sample`` where the caller gives none; 1 where truncation has no meaning."""

    truncates: bool = True
    """Whether ``sample`` takes a truncation; where it does not, any but 1 is refused for it."""

    labels: Names = ()
    """What ``label`` may be beside the number of a class: the names of the classes in the order of
    their numbers, or `panda.generators.labels.ANY_TEXT` for a generator that takes texts. Empty
    where there are no classes, or they have no names."""

    class_names = OldClassNames()

    excused: Mapping[str, str] = MappingProxyType({})
    """Checks of `panda.testing` that cannot hold for this generator, each with the reason:
    ``{"truncation": "its latents have no mean"}``, or ``{"gradient[4.conv1]": ...}`` for one layer
    alone."""

    resolution = OldResolution()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Wrap ``sample`` to take natural input; check latents, the order of layers, and results.

        scikit-learn wraps ``transform`` in the same way to offer ``set_output``: backends implement
        the plain case, and no author can forget the rest.
        """
        super().__init_subclass__(**kwargs)
        if "resolution" in vars(cls):
            OldResolution.of_class(cls)
        if "class_names" in vars(cls):
            OldClassNames.of_class(cls)
        if not cls.truncates:
            cls.usual_truncation = 1.0
        if not getattr(cls.sample, "__isabstractmethod__", False):
            cls.sample = natural_sample(cls.sample)  # type: ignore[method-assign]
        for name, adds in (("head", adds_in_head), ("forward", adds_in_forward)):
            method = getattr(cls, name)
            if not getattr(method, "__isabstractmethod__", False):
                setattr(cls, name, checked(adds(method)))
        if "tail" in vars(cls) and not getattr(cls.tail, "__isabstractmethod__", False):
            cls.tail = adds_in_tail(cls.tail)  # type: ignore[method-assign]
        if "advance" in vars(cls):
            advance = to_later_layers(adds_in_advance(cls.advance))
            cls.advance = advance  # type: ignore[method-assign]
        for name in ("head", "advance", "tail", "forward"):
            method = getattr(cls, name)
            if not getattr(method, "__isabstractmethod__", False) and name in vars(cls):
                features = name in ("head", "advance")
                setattr(cls, name, (gives_features if features else gives_images)(method))

    # Callers may give more than a backend is asked to take, hence Any.
    @abstractmethod
    def sample(self, seeds: Any, *, truncation: Any = None, label: Any = None) -> Latents:
        """Draw one latent for each seed.

        Backends implement ``sample(seeds, *, truncation, label)`` for a sequence of int, a float,
        and an int (where `labels` says any text, a str) or None; `natural_sample` makes these of
        what callers give.

        Args:
            seeds: Whole numbers in any form that `as_seeds` takes: a list, a range, an array,
                ``"0-19"``, or one whole number n for the n seeds from 0.
            truncation: Psi: 1 leaves the distribution as it is, 0 gives the mean. By default
                `usual_truncation`.
            label: The class of a class-conditional generator, by its number or its name in
                `labels`, or the text of one that takes texts: one for all samples, or a sequence
                or array with one for each. By default each sample's class follows from its seed,
                and texts are up to the backend.

        Raises:
            PandaError: For seeds, a truncation or a label that the generator does not have.
        """

    @abstractmethod
    def head(self, latents: Latents, layer: str) -> State:
        """Run G[:l] and return the state at ``layer``; its ``x`` is never changed in place."""

    @to_later_layers
    def advance(self, state: State, layer: str, to_layer: str) -> State:
        """Run G from the state at ``layer`` to ``to_layer``, a later one, and return that state.

        Edits at several layers cost about one pass: head to the first layer, an edit, advance to
        the next, an edit, and so on to tail. A backend may do without it: see `can_advance`. It
        only gets a later layer; the same layer gives the state itself.

        Args:
            state: The state at ``layer``, of ``head`` or ``advance``; it is not changed.
            layer: The layer that was reached.
            to_layer: The layer to reach.

        Raises:
            PandaError: For a layer before ``layer`` or an unknown one, and where this generator
                cannot advance.
        """
        raise PandaError(
            f"{self.name} takes edits at one layer only, since it cannot advance from {layer} to"
            f" {to_layer}"
        )

    @property
    def can_advance(self) -> bool:
        """Whether it takes edits at several layers: its backend overrides ``advance``."""
        return type(self).advance is not Generator.advance

    @abstractmethod
    def tail(self, state: State, layer: str) -> torch.Tensor:
        """Run G[l:] from a state and return images ``[N, channels, H, W]`` in about [-1, 1]."""

    @abstractmethod
    def forward(self, latents: Latents) -> torch.Tensor:
        """Run the whole network as its authors would, without stopping: ``[N, channels, H, W]``."""

    def __call__(self, latents: Latents) -> torch.Tensor:
        """Return ``forward(latents)``; raises `PandaError` as `check_latents` does."""
        return self.forward(latents)

    @property
    def digest(self) -> str:
        """The sha256 of its weights, by which factors know them again; empty if it is not known.

        Backends that read a `Checkpoint` through the registry or `Weights` have it; others may
        return `panda.checkpoints.digest.digest_of` their tensors.
        """
        return self.digest_in_file

    def check_latents(self, latents: Latents) -> None:
        """Raise `PandaError` for anything but latents, and for those of another generator.

        ``head`` and ``forward`` of every backend begin with it.
        """
        if not isinstance(latents, Latents):
            raise PandaError(
                f"a {type(latents).__name__} was given, expected latents, such as"
                " generator.sample([0, 1])"
            )
        if latents.generator and self.name and latents.generator != self.name:
            raise PandaError(
                f"these latents are of {latents.generator}, but the generator is {self.name}"
            )

    def to(self, device: str | torch.device) -> Generator:
        """Move this generator to another device, in place as torch's modules do, and return it.

        Every tensor moves that an attribute keeps, be it inside modules, other objects, lists,
        tuples, dictionaries or dataclasses. A backend whose functions enclose tensors, or whose
        network is prepared for one kind of device, overrides this. The dtype stays: constants
        computed in one are not those of another, so ``create_generator(name, dtype=...)`` loads the
        weights again.

        Raises:
            PandaError: Where the device cannot be used.
        """
        from panda.generators.moving import move, usable_device

        target = usable_device(device)
        move(self, target, nested=Generator)
        self.device = target
        return self

    def layer(self, name: str) -> Layer:
        """Return the layer of that name; raises `PandaError` with the nearest names."""
        try:
            return self.layers[name]
        except KeyError:
            raise PandaError(
                f"generator {self.name!r} has no layer {name!r}{nearest(name, self.layers)}"
            ) from None

    def layer_near(self, side: float) -> Layer:
        """Return the last layer whose `Layer.side` is nearest, by ratio, to ``side`` positions.

        Layers of single steps are left out (`without_steps`).

        Raises:
            PandaError: For a side that is not a positive number.
        """
        wanted = as_number(side, "side")
        if wanted <= 0:
            raise PandaError(f"side {side!r:.60} is not a positive number of positions")
        layers = reversed(without_steps(self.layers))
        return min(layers, key=lambda layer: abs(math.log(layer.side / wanted)))

    def __repr__(self) -> str:
        layers = list(getattr(self, "layers", ()))
        size = size_text(self.size) if hasattr(self, "size") else "no size"
        span = "".join(f" {name}" for name in layers[:1])
        span += f" to {layers[-1]}" if len(layers) > 1 else ""
        count = f"{len(layers)} layer{'' if len(layers) == 1 else 's'}"
        device = getattr(self, "device", "no device")
        return f"<{type(self).__name__} {self.name!r}: {size}, {count}{span}, {device}>"

    def _repr_html_(self) -> str:
        """Show the layers in a notebook."""
        rows = [
            (layer.name, str(layer.channels), f"{layer.height} x {layer.width}", str(layer.margin))
            for layer in self.layers.values()
        ]
        header = ("layer", "channels", "positions", "margin")
        return Table(header, rows, repr(self)[1:-1]).to_html(caption=True)
