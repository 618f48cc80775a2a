"""Latent spaces that a generator may have: an optional capability, requested by name.

A backend with such a space inherits from its class. Methods that edit latents request it with
`w_space` or `z_space`, which raise `PandaError` where the generator does not have it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from panda.errors import PandaError, nearest
from panda.generators.contract import Generator, Latents
from panda.generators.wrapper import Wrapper

if TYPE_CHECKING:
    from torch import Tensor


class WSpace(Generator):
    """A generator that maps z to w ``[N, D]``, where each *slot* of the synthesis takes its w.

    All slots together are w+ ``[N, slots, D]``. In each slot an affine map turns w into *styles*
    ``[N, C]``: a scale (or shift) for each channel that it modulates.
    """

    @property
    @abstractmethod
    def w_mean(self) -> Tensor:
        """The mean of w, ``[D]``."""

    @property
    @abstractmethod
    def slots(self) -> tuple[str, ...]:
        """The slots in order, named by the layers that they style; ``image`` styles the image."""

    @abstractmethod
    def map(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """Map z ``[N, Z]`` and one-hot labels ``[N, classes]`` to w ``[N, D]``, untruncated."""

    @abstractmethod
    def style_maps(self) -> Mapping[str, tuple[Tensor, Tensor]]:
        """Return the affine map of each slot that styles features, at its run-time scale.

        Returns:
            Weight ``[C, D]`` and bias ``[C]`` by slot, without slots that style the image alone.
        """

    def w_plus(self, latents: Latents) -> Tensor:
        """Return w of every slot, ``[N, slots, D]``."""
        w = latents.tensors["w"][..., : len(self.w_mean)]
        return w[:, None].expand(-1, len(self.slots), -1) if w.ndim == 2 else w

    def with_w(self, latents: Latents, w: Tensor) -> Latents:
        """Return the same samples with another w, ``[N, D]`` for all slots or ``[N, slots, D]``.

        Raises `PandaError` for another shape.
        """
        size, count = len(self.w_mean), len(self.slots)
        rows = w[:, None].expand(-1, count, -1) if w.ndim == 2 else w
        if tuple(rows.shape) != (len(latents), count, size):
            raise PandaError(
                f"w of shape {list(w.shape)}, expected [{len(latents)}, {size}] or"
                f" [{len(latents)}, {count}, {size}]"
            )
        return replace(latents, tensors={**latents.tensors, "w": rows})

    def styles(self, latents: Latents) -> dict[str, Tensor]:
        """Return styles ``[N, C]`` for every slot of `style_maps`: the point in style space."""
        rows, size = latents.tensors["w"], len(self.w_mean)
        styles = {}
        for slot, (weight, bias) in self.style_maps().items():
            row = rows if rows.ndim == 2 else rows[:, self.slots.index(slot)]
            mapped = row[:, :size] @ weight.T + bias
            shift = row[:, size : size + len(bias)]
            styles[slot] = mapped + shift if shift.shape[1] else mapped
        return styles

    def shift_styles(self, latents: Latents, shifts: Mapping[str, Tensor]) -> Latents:
        """Return the same samples with shifted styles.

        The rows of ``w`` become longer: a slot's shift follows its w, where the affine maps read
        it.

        Args:
            latents: The samples.
            shifts: What to add to the styles, ``{slot: [N or 1, C]}``.

        Raises:
            PandaError: For a slot without styles, and for a shift of another shape.
        """
        maps, size = self.style_maps(), len(self.w_mean)
        widest = max(len(bias) for _, bias in maps.values())
        rows = latents.tensors["w"]
        rows = rows[:, None].expand(-1, len(self.slots), -1) if rows.ndim == 2 else rows
        wide = rows.new_zeros(*rows.shape[:2], size + widest)
        wide[:, :, : rows.shape[2]] = rows
        for slot, shift in shifts.items():
            if slot not in maps:
                raise PandaError(f"{self.name} has no styles at {slot!r}{nearest(slot, maps)}")
            if shift.ndim != 2 or shift.shape[1] != len(maps[slot][1]):
                raise PandaError(
                    f"a shift of shape {list(shift.shape)} for the {len(maps[slot][1])} styles of"
                    f" {slot}"
                )
            wide[:, self.slots.index(slot), size : size + shift.shape[1]] += shift
        return replace(latents, tensors={**latents.tensors, "w": wide})


class ZSpace(Generator):
    """A generator whose z goes straight into the network, first through a linear map."""

    @abstractmethod
    def z_weight(self) -> Tensor:
        """Return that linear map, ``[outputs, Z]``."""

    def with_z(self, latents: Latents, z: Tensor) -> Latents:
        """Return the same samples with another z ``[N, Z]``.

        Raises `PandaError` for another shape.
        """
        if z.shape != latents.tensors["z"].shape:
            raise PandaError(
                f"z of shape {list(z.shape)}, expected {list(latents.tensors['z'].shape)}"
            )
        return replace(latents, tensors={**latents.tensors, "z": z})


def unwrapped(generator: Generator) -> Generator:
    """Return what has the latents of a generator: of ``NAME@LABEL``, that of all classes."""
    while isinstance(generator, Wrapper) and not isinstance(generator, WSpace | ZSpace):
        generator = generator.inner
    return generator


def has_w(generator: Generator) -> bool:
    """Return whether a generator, or what it wraps, is a `WSpace`."""
    return isinstance(unwrapped(generator), WSpace)


def w_space(generator: Generator, method: str) -> WSpace:
    """Return the generator as a `WSpace`; raises `PandaError` for ``method`` where it is none."""
    space = unwrapped(generator)
    if isinstance(space, WSpace):
        return space
    raise PandaError(f"{method} needs a mapped latent space (w), which {generator.name} has not")


def z_space(generator: Generator, method: str) -> ZSpace:
    """Return the generator as a `ZSpace`; raises `PandaError` for ``method`` where it is none."""
    space = unwrapped(generator)
    if isinstance(space, ZSpace):
        return space
    raise PandaError(
        f"{method} needs a latent z that goes straight into the network, which"
        f" {generator.name} has not; a backend that has one inherits from ZSpace"
    )
