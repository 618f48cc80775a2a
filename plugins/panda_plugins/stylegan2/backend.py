"""StyleGAN2 as a `Generator`: a w for each layer, a running skip image, three kinds of noise."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from panda.errors import PandaError, nearest
from panda.generators.contract import Latents, State

from ..common.layers import scaled
from ..common.mapped import MappedGenerator
from ..common.noise import Noise
from . import layers
from .network import Network

SKIP = ("live", "keep", "drop")
"""See `StyleGAN2.skip`."""


@dataclass(frozen=True)
class Rest:
    """What a resumed pass needs besides the features.

    Attributes:
        w: ``[N, num_ws, w_dim]``.
        noise: The noise that the remaining layers add.
        image: The skip image so far, ``[N, 1 to 4, H, W]`` at the resolution of its last ToRGB.
        painted: Whether ToRGB has already added the current features to ``image``.
        residual: Between the two convolutions of a residual block, the output of its shortcut.
    """

    w: Tensor
    noise: Noise
    image: Tensor | None = None
    painted: bool = False
    residual: Tensor | None = None


class StyleGAN2(MappedGenerator):
    """StyleGAN2; each ToRGB takes the w of the layer after it, the last ToRGB the last w of w+."""

    network: Network

    noise = "const"
    """``const`` adds the stored noise maps, ``random`` maps drawn from the seeds, ``none`` none."""

    skip = "live"
    """How the skip image treats features that an edit replaces at a ``conv1`` layer.

    - ``live``: ToRGB of the same resolution reads the new features, as in the whole network.
    - ``keep``: ToRGB of the same resolution has run before, on the old features.
    - ``drop``: the skip image up to the layer is discarded, as PandA's released code does; ``tail``
      then differs from ``forward``.
    """

    def __init__(self, network: Network, device: torch.device, dtype: torch.dtype) -> None:
        network.eval().requires_grad_(False).to(device, dtype).prepare()
        self.network = network
        config = network.config
        self.layers = {layer.name: layer for layer in layers(config.channels, config.const)}
        self.size, self.channels = config.size, config.image_channels
        self.device = device
        self._convolutions = list(network.synthesis.convolutions())

    def style_maps(self) -> dict[str, tuple[Tensor, Tensor]]:
        """See `WSpace.style_maps`; ToRGB layers style the image alone, so they are left out."""
        affines = [conv.affine for _, conv in self._convolutions]
        return dict(zip(self.layers, map(scaled, affines), strict=True))

    def head(self, latents: Latents, layer: str) -> State:
        """See `Generator.head`; raises `PandaError` for an unknown `skip` or `noise`."""
        if self.skip not in SKIP:
            raise PandaError(f"there is no skip {self.skip!r}{nearest(self.skip, SKIP)}")
        stop = self._index(layer)
        w = latents.tensors["w"]
        const = self.network.synthesis.blocks[0].const
        x, rest = const.expand(len(w), -1, -1, -1), Rest(w, Noise(self.noise, latents.seeds))
        return self._state(*self._run(x, rest, 0, stop), stop)

    def advance(self, state: State, layer: str, to_layer: str) -> State:
        """See `Generator.advance`; the skip image is treated as ``head`` to ``to_layer`` does."""
        stop = self._index(to_layer)
        return self._state(*self._resume(state, self._index(layer), stop), stop)

    def tail(self, state: State, layer: str) -> Tensor:
        """See `Generator.tail`; raises `PandaError` where `skip` ``drop`` leaves no image."""
        last = len(self._convolutions) - 1
        x, rest = self._resume(state, self._index(layer), last)
        image: Tensor | None = self._paint(x, rest, last).image
        if image is None:
            raise PandaError(
                f"nothing is painted after layer {layer!r}, and skip={self.skip!r} drops the rest"
            )
        return self.network.synthesis.finish(image)

    def forward(self, latents: Latents) -> Tensor:
        """See `Generator.forward`."""
        noise = Noise(self.noise, latents.seeds)
        image: Tensor = self.network.synthesis(latents.tensors["w"], noise)
        return image

    @staticmethod
    def _ends_block(index: int) -> bool:
        """Return whether a layer ends a block: 4.conv1, 8.conv1, ... have even indices."""
        return index % 2 == 0

    def _resume(self, state: State, index: int, last: int) -> tuple[Tensor, Rest]:
        """Compute layers ``index + 1`` to ``last`` from the state at layer ``index``."""
        x = self.network.synthesis.cast(state.x, self._convolutions[index][0])
        return self._run(x, state.rest, index + 1, last)

    def _run(self, x: Tensor, rest: Rest, first: int, last: int) -> tuple[Tensor, Rest]:
        """Compute layers ``first`` to ``last`` from the features before them."""
        for index in range(first, last + 1):
            x, rest = self._step(x, rest, index)
        return x, rest

    def _state(self, x: Tensor, rest: Rest, index: int) -> State:
        """Return the state at layer ``index``, its skip image as `skip` says."""
        if self.skip != "live" and self._ends_block(index):
            rest = self._paint(x, rest, index)
        if self.skip == "drop":
            rest = replace(rest, image=None)
        return State(x.to(rest.w.dtype), rest)

    def _step(self, x: Tensor, rest: Rest, index: int) -> tuple[Tensor, Rest]:
        """Compute the features of layer ``index`` from those of the layer before."""
        block, conv = self._convolutions[index]
        if index and not self._ends_block(index):  # a new block begins
            rest = replace(self._paint(x, rest, index - 1), painted=False)
            x = self.network.synthesis.cast(x, block)
            if block.skip is not None:
                rest = replace(rest, residual=block.skip(x))
        x = conv(x, rest.w[:, index], rest.noise.draw(index, conv.noise_const))
        if self._ends_block(index):
            x = block.close(x, rest.residual)
            rest = replace(rest, residual=None)
        return x, rest

    def _paint(self, x: Tensor, rest: Rest, index: int) -> Rest:
        """Add the features of layer ``index``, which ends a block, to the skip image, once."""
        if rest.painted:
            return rest
        image = self._convolutions[index][0].paint(x, rest.w[:, index + 1], rest.image)
        return replace(rest, image=image, painted=True)
