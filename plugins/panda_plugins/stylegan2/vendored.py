"""StyleGAN2 run by NVIDIA's modules: a cross-check of our implementation, and its CUDA kernels.

Our readers load the weights from any file; NVIDIA's code never reads the file. The repository and
its license are described in third_party/README.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call

from panda.checkpoints.checkpoint import Checkpoint
from panda.errors import PandaError
from panda.generators.contract import Latents

from ..common.latents import check_labels
from ..common.noise import Noise
from .backend import Rest, StyleGAN2
from .checkout import Checkout, find_checkout
from .checkpoint import read_network
from .network import Network


def from_checkpoint(
    checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype
) -> VendoredStyleGAN2:
    """Build the generator on a device, in float32.

    Raises:
        PandaError: The repository is absent, or does not support the dtype or the network; or the
            tensors are not those of a StyleGAN2.
    """
    checkout = find_checkout()
    if dtype != torch.float32:
        raise PandaError(f"the engine 'vendored' runs in float32 alone, not in {dtype}; 'own' does")
    return VendoredStyleGAN2(read_network(checkpoint, dtype), device, checkout)


class VendoredStyleGAN2(StyleGAN2):
    """StyleGAN2 with NVIDIA's operations, in the steps of `StyleGAN2`.

    ``forward`` runs NVIDIA's whole network. Random noise depends on the seeds, as in `StyleGAN2`.
    """

    def __init__(self, network: Network, device: torch.device, checkout: Checkout) -> None:
        super().__init__(network, device, torch.float32)
        self.nvidia = _nvidia(network, checkout)
        self._steps: list[tuple[Any, str]] = [
            (getattr(self.nvidia.synthesis, block.name), name)
            for block in network.synthesis.blocks
            for name in ("conv0", "conv1")
            if hasattr(block, name)
        ]
        self._upsample = checkout.modules["torch_utils.ops.upfirdn2d"].upsample2d
        if device.type == "cuda":
            checkout.build_kernels()

    def map(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """See `WSpace.map`."""
        check_labels(self.name, self.network.config.classes, label)
        w: Tensor = self.nvidia.mapping(z, label)[:, 0]
        return w

    def shift_styles(self, latents: Latents, shifts: Mapping[str, Tensor]) -> Latents:
        """Raise `PandaError`: NVIDIA's modules compute the styles themselves."""
        raise PandaError("the engine 'vendored' has no way to shift styles; 'own' does")

    def forward(self, latents: Latents) -> Tensor:
        """See `Generator.forward`."""
        w, noise = latents.tensors["w"], Noise(self.noise, latents.seeds)
        maps = {
            f"b{block.resolution}.{name}.noise_const": noise.draw(
                index, getattr(block, name).noise_const
            )
            for index, (block, name) in enumerate(self._steps)
        }
        image: Tensor = _with_noise(
            self.nvidia.synthesis, maps, w, force_fp32=self.device.type != "cuda"
        )
        return self.network.synthesis.finish(image)

    def _step(self, x: Tensor, rest: Rest, index: int) -> tuple[Tensor, Rest]:
        """See `StyleGAN2._step`."""
        block, name = self._steps[index]
        if name == "conv0":
            rest = replace(self._paint(x, rest, index - 1), painted=False)
            x = self.network.synthesis.cast(x, self._convolutions[index][0])
            if block.architecture == "resnet":
                rest = replace(rest, residual=block.skip(x, gain=math.sqrt(0.5)))
        residual = rest.residual if name == "conv1" else None
        layer = getattr(block, name)
        x = _with_noise(
            layer,
            {"noise_const": rest.noise.draw(index, layer.noise_const)},
            x,
            rest.w[:, index],
            fused_modconv=_fused(x),
            gain=1 if residual is None else math.sqrt(0.5),
        )
        if residual is not None:
            x, rest = residual + x, replace(rest, residual=None)
        return x, rest

    def _paint(self, x: Tensor, rest: Rest, index: int) -> Rest:
        """See `StyleGAN2._paint`."""
        if rest.painted:
            return rest
        block, image = self._steps[index][0], rest.image
        if image is not None:
            image = self._upsample(image, block.resample_filter)
        if block.num_torgb:
            rgb = block.torgb(x, rest.w[:, index + 1], fused_modconv=_fused(x)).float()
            image = rgb if image is None else image + rgb
        return replace(rest, image=image, painted=True)


def _with_noise(
    module: Any, maps: dict[str, Tensor | None], *arguments: Tensor, **options: Any
) -> Any:
    """Call a module of NVIDIA's with these noise maps, or without noise where there are none."""
    drawn = {name: noise for name, noise in maps.items() if noise is not None}
    options["noise_mode"] = "const" if drawn else "none"
    return functional_call(module, drawn, arguments, options)


def _fused(x: Tensor) -> bool:
    """Return whether NVIDIA's blocks would compute separate weights for each sample."""
    return x.dtype == torch.float32 or len(x) == 1


def _nvidia(network: Network, checkout: Checkout) -> Any:
    """Return NVIDIA's generator with the tensors of our network."""
    config = network.config
    if config.joint_norm:
        raise PandaError(
            "the engine 'vendored' knows no conditional StyleGAN2 of the TensorFlow release; 'own'"
            " does"
        )
    if config.const != (4, 4):
        height, width = config.const
        raise PandaError(
            "the engine 'vendored' grows images from 4 x 4 alone, but this StyleGAN2 from"
            f" {height} x {width}; 'own' does"
        )
    pixels = [4 << k for k in range(len(config.channels))]
    base = max(count * size for count, size in zip(config.channels, pixels, strict=True))
    most = max(config.channels)
    if tuple(min(base // size, most) for size in pixels) != config.channels:
        raise PandaError(
            f"the engine 'vendored' cannot have channels {list(config.channels)} at 4, 8, ..."
            " pixels: it halves them from one resolution to the next, up to a limit; 'own' has any"
        )
    with checkout.imported() as networks, torch.random.fork_rng(devices=[]):
        generator = networks.Generator(
            z_dim=config.z_dim,
            c_dim=config.classes,
            w_dim=config.w_dim,
            img_resolution=pixels[-1],
            img_channels=config.image_channels,
            mapping_kwargs={
                "num_layers": config.mapping_layers,
                "lr_multiplier": config.lr_multiplier,
            },
            synthesis_kwargs={
                "channel_base": base,
                "channel_max": most,
                "num_fp16_res": config.num_fp16_res,
                "conv_clamp": config.conv_clamp,
                "architecture": config.architecture,
            },
        )
    generator.load_state_dict(network.state_dict(), assign=True)
    return generator.eval().requires_grad_(False)
