"""Latent spaces that a generator may have: an optional capability, asked for by name.

A backend that has one inherits from its class. Methods that edit latents ask with `w_space` or
`z_space`, and say in a sentence where there is none.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from panda.errors import PandaError, nearest
from panda.generators.contract import Generator, Latents

if TYPE_CHECKING:
    from torch import Tensor


class WSpace(Generator):
    """z is mapped to w ``[N, D]``, and each *slot* of the synthesis takes a w of its own.

    All slots together are w+ ``[N, slots, D]``. In a slot an affine map turns w into *styles*: one
    scale (or shift) for each channel that it modulates, ``[N, C]``.
    """

    @property
    @abstractmethod
    def w_mean(self) -> Tensor:
        """The mean of w, ``[D]``."""

    @property
    @abstractmethod
    def slots(self) -> tuple[str, ...]:
        """The slots in order, each by the layer that it styles; ``image`` styles the image."""

    @abstractmethod
    def map(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """Map z ``[N, Z]`` and one-hot labels ``[N, classes]`` to w ``[N, D]``, not truncated."""

    @abstractmethod
    def style_maps(self) -> Mapping[str, tuple[Tensor, Tensor]]:
        """For each slot that styles features its affine map: weight ``[C, D]`` and bias ``[C]``.

        Both at their run-time scale. Slots that style the image alone are left out.
        """

    def w_plus(self, latents: Latents) -> Tensor:
        """w of every slot, ``[N, slots, D]``."""
        w = latents.tensors["w"][..., : len(self.w_mean)]
        return w[:, None].expand(-1, len(self.slots), -1) if w.ndim == 2 else w

    def with_w(self, latents: Latents, w: Tensor) -> Latents:
        """The same samples with another w, ``[N, D]`` for all slots or ``[N, slots, D]``.

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
        """Styles ``[N, C]`` of every slot of `style_maps`: the point in style space."""
        rows, size = latents.tensors["w"], len(self.w_mean)
        found = {}
        for slot, (weight, bias) in self.style_maps().items():
            row = rows if rows.ndim == 2 else rows[:, self.slots.index(slot)]
            styles = row[:, :size] @ weight.T + bias
            shift = row[:, size : size + len(bias)]
            found[slot] = styles + shift if shift.shape[1] else styles
        return found

    def shift_styles(self, latents: Latents, shifts: Mapping[str, Tensor]) -> Latents:
        """The same samples with something added to their styles: ``{slot: [N or 1, C]}``.

        The entries of ``w`` become longer: what is added to a slot's styles stands behind its w,
        and the affine maps read it there. Raises `PandaError` for a slot without styles and for
        another number of them.
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
    """z goes straight into the network, through one linear map first."""

    @abstractmethod
    def z_weight(self) -> Tensor:
        """That linear map, ``[outputs, Z]``."""

    def with_z(self, latents: Latents, z: Tensor) -> Latents:
        """The same samples with another z ``[N, Z]``; raises `PandaError` for another shape."""
        if z.shape != latents.tensors["z"].shape:
            raise PandaError(
                f"z of shape {list(z.shape)}, expected {list(latents.tensors['z'].shape)}"
            )
        return replace(latents, tensors={**latents.tensors, "z": z})


def w_space(generator: Generator, wanted_by: str) -> WSpace:
    """The generator as one with w, w+ and styles; raises `PandaError` where it has none."""
    if isinstance(generator, WSpace):
        return generator
    raise PandaError(f"{wanted_by} needs a mapped latent space (w), which {generator.name} has not")


def z_space(generator: Generator, wanted_by: str) -> ZSpace:
    """The generator as one whose z can be moved; raises `PandaError` where it cannot."""
    if isinstance(generator, ZSpace):
        return generator
    raise PandaError(
        f"{wanted_by} needs a latent z that goes straight into the network, which"
        f" {generator.name} has not"
    )
