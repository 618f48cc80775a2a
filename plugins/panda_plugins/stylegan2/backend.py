"""StyleGAN2 behind the contract: w per layer, a running skip image, three kinds of noise."""

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


@dataclass(frozen=True)
class Rest:
    """What a resumed network needs beside the features."""

    w: Tensor
    """``[N, num_ws, w_dim]``."""

    noise: Noise
    image: Tensor | None = None
    """The image painted so far, ``[N, 3, H, W]`` at its own resolution."""

    painted: bool = False
    """Whether it holds the contribution of the features at hand already."""

    residual: Tensor | None = None
    """Between the two convolutions of a residual block: the output of its shortcut."""


class StyleGAN2(MappedGenerator):
    """Every layer takes a w, and so does each ToRGB: that of the layer after it, or the last."""

    network: Network

    noise = "const"
    """``const`` adds the stored noise maps, ``random`` draws maps from the seeds, ``none`` none."""

    skip = "live"
    """What becomes of the skip image when features are replaced at a ``conv1`` layer.

    ``live``: ToRGB of the same resolution sees the new features, as in the whole network.
    ``keep``: it has run already, on the old features. ``drop``: everything painted before the layer
    is thrown away, which is what the released PandA does; ``tail`` then differs from ``forward``.
    """

    def __init__(self, network: Network, device: torch.device, dtype: torch.dtype) -> None:
        network.eval().requires_grad_(False).to(device, dtype).prepare()
        self.network = network
        self.layers = {layer.name: layer for layer in layers(network.config.channels)}
        self.resolution = network.config.resolution
        self.device = device
        self._convolutions = list(network.synthesis.convolutions())

    def style_maps(self) -> dict[str, tuple[Tensor, Tensor]]:
        """See `WSpace.style_maps`; ToRGB's styles are left out."""
        affines = [conv.affine for _, conv in self._convolutions]
        return dict(zip(self.layers, map(scaled, affines), strict=True))

    def head(self, latents: Latents, layer: str) -> State:
        """See `Generator.head`."""
        if self.skip not in SKIP:
            raise PandaError(f"there is no skip {self.skip!r}{nearest(self.skip, SKIP)}")
        stop = self._index(layer)
        w = latents.tensors["w"]
        const = self.network.synthesis.blocks[0].const
        x, rest = const.expand(len(w), -1, -1, -1), Rest(w, Noise(self.noise, latents.seeds))
        for index in range(stop + 1):
            x, rest = self._step(x, rest, index)
        if self.skip != "live" and self._ends_block(stop):
            rest = self._paint(x, rest, stop)
        if self.skip == "drop":
            rest = replace(rest, image=None)
        return State(x.to(w.dtype), rest)

    def tail(self, state: State, layer: str) -> Tensor:
        """See `Generator.tail`."""
        first, last = self._index(layer), len(self._convolutions) - 1
        x, rest = self.network.synthesis.cast(state.x, self._convolutions[first][0]), state.rest
        for index in range(first + 1, last + 1):
            x, rest = self._step(x, rest, index)
        image: Tensor | None = self._paint(x, rest, last).image
        if image is None:
            raise PandaError(
                f"nothing is painted after layer {layer!r}, and skip={self.skip!r} drops the rest"
            )
        return image

    def forward(self, latents: Latents) -> Tensor:
        """See `Generator.forward`."""
        noise = Noise(self.noise, latents.seeds)
        image: Tensor = self.network.synthesis(latents.tensors["w"], noise)
        return image

    @staticmethod
    def _ends_block(index: int) -> bool:
        """Even convolutions end a block: 4.conv1, 8.conv1, 16.conv1, ..."""
        return index % 2 == 0

    def _step(self, x: Tensor, rest: Rest, index: int) -> tuple[Tensor, Rest]:
        """From the features of layer ``index - 1`` to those of layer ``index``."""
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
        """Let ToRGB of the block that ends at layer ``index`` see its features, once."""
        if rest.painted:
            return rest
        image = self._convolutions[index][0].paint(x, rest.w[:, index + 1], rest.image)
        return replace(rest, image=image, painted=True)
