"""The five networks as they learn: the plugins' own modules, differentiable and freshly drawn.

What a plugin prepares once after loading is prepared anew at every step, so that gradients reach
the weights; no channel count is large enough for the kernels that only pay off in inference.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn

from panda_plugins.common.layers import Linear
from panda_plugins.common.noise import Noise
from panda_plugins.proggan import network as proggan
from panda_plugins.stylegan import network as stylegan
from panda_plugins.stylegan2 import network as stylegan2
from panda_plugins.stylegan3 import network as stylegan3

from . import biggan

CHANNELS = (128, 128, 128, 64, 32)
"""At 4, 8, 16, 32, 64 pixels."""

LATENT = 64

WEIGHTS = ("conv0.weight", "conv1.weight", "torgb.weight")
"""Names of StyleGAN2's convolutions."""


class Student(nn.Module, ABC):
    """A generator that learns; ``network`` has the official names of parameters."""

    network: nn.Module
    z_dim = LATENT
    classes = 0
    learning_rate = 1e-3
    """Of networks with equalized learning rates, as their authors chose it."""
    examples = 1_000
    """In how many first steps it learns from examples alone."""

    @abstractmethod
    def forward(
        self, z: Tensor, label: Tensor | None, random: torch.Generator | None = None
    ) -> Tensor:
        """Images ``[N, 3, 64, 64]`` from z ``[N, z_dim]`` and classes ``[N]``, with gradients.

        ``random`` is where noise comes from.
        """

    def finish(self) -> None:
        """Measure what the finished network keeps beside its weights (means, statistics)."""

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """What a file must say beside names and shapes, by the names of the official code."""


class StyleGAN3(Student):
    """StyleGAN3-T in fewer layers, narrow margins.

    Each layer's input variance is tracked as it learns.
    """

    sampling = stylegan3.Sampling(num_layers=6, margin_size=3, num_fp16_res=0)

    def __init__(self) -> None:
        super().__init__()
        rates = self.sampling.rates(64)
        channels = [min(128, round(1024 / rate.cutoff)) for rate in rates]
        config = stylegan3.Config(
            resolution=64,
            channels_in=channels[0],
            channels=(*channels[:-1], 3),
            z_dim=LATENT,
            w_dim=LATENT,
            conv_clamp=None,
            sampling=self.sampling,
        )
        self.network = stylegan3.Network(config)
        _draw_linear(self.network)
        first = self.network.synthesis.input
        angle = torch.rand(channels[0]) * 2 * math.pi
        radius = torch.rand(channels[0]).sqrt() * rates[0].cutoff
        first.freqs.copy_(torch.stack([angle.cos(), angle.sin()], 1) * radius[:, None])
        first.phases.uniform_(-0.5, 0.5)
        first.transform.copy_(torch.eye(3))
        nn.init.normal_(first.weight)
        nn.init.zeros_(first.affine.weight)
        first.affine.bias.data.copy_(torch.tensor([1.0, 0, 0, 0]))
        for layer in self.network.synthesis.layers:
            nn.init.normal_(layer.weight)
            nn.init.zeros_(layer.bias)
            nn.init.ones_(layer.magnitude_ema)
            for name, taps in layer.design.filters.items():
                if taps is not None:
                    layer.get_buffer(name).copy_(torch.from_numpy(taps))
            layer.register_forward_pre_hook(_track)
        with torch.no_grad():
            self.network.prepare()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """What is prepared lies where the weights lie."""
        super()._apply(fn, recurse)
        with torch.no_grad():
            self.network.prepare()
        return self

    def forward(
        self, z: Tensor, label: Tensor | None, random: torch.Generator | None = None
    ) -> Tensor:
        """See `Student.forward`."""
        for layer in self.network.synthesis.layers:
            layer.weigh()
        w = self.network.mapping(z)
        return self.network.synthesis(w[:, None].expand(-1, self.network.config.num_ws, -1))

    def finish(self) -> None:
        """Measure the mean of w."""
        _set_mean(self.network.mapping, self.network.mapping.w_avg)

    def config(self) -> dict[str, Any]:
        """See `Student.config`."""
        return {"img_resolution": 64, "conv_clamp": None, **asdict(self.sampling)}


@torch.no_grad()
def _track(layer: stylegan3.SynthesisLayer, inputs: tuple[Tensor, ...]) -> None:
    """Follow the mean square of a layer's input while it learns."""
    if layer.training:
        layer.magnitude_ema.lerp_(inputs[0].float().square().mean(), 1e-3)
        layer.gain = torch.rsqrt(layer.magnitude_ema)


class BigGAN(Student):
    """BigGAN of four classes, attention at 32 x 32."""

    learning_rate = 2e-4
    classes = 4

    def __init__(self) -> None:
        super().__init__()
        self.network = biggan.Network(CHANNELS, chunk=16, classes=self.classes, shared=64)
        self.z_dim = self.network.z_dim

    def forward(
        self, z: Tensor, label: Tensor | None, random: torch.Generator | None = None
    ) -> Tensor:
        """See `Student.forward`."""
        assert label is not None
        return self.network(z, label)

    def finish(self) -> None:
        """Collect the statistics of the averaged weights."""
        self.network.collect()

    def config(self) -> dict[str, Any]:
        """See `Student.config`."""
        return {"BN_eps": 1e-5, "G_nl": "relu", "norm_style": "bn"}


@dataclass(frozen=True)
class FreshNoise(Noise):
    """Other noise for every image and step."""

    random: torch.Generator | None = None

    def draw(self, layer: int, stored: Tensor) -> Tensor:
        """See `Noise.draw`."""
        shape = len(self.seeds), 1, *stored.shape[-2:]
        return torch.randn(shape, device=stored.device, generator=self.random)


class ProGAN(Student):
    """Trained at full resolution from the start; the discriminators see every scale anyway."""

    def __init__(self) -> None:
        super().__init__()
        self.network = proggan.Network(LATENT, CHANNELS)
        unused = [f"output{k}" for k in range(len(CHANNELS) - 1)]
        for name, module in self.network.named_modules():
            if isinstance(module, proggan.Conv):
                nn.init.normal_(module.weight, std=0.0 if name in unused else 1.0)
                nn.init.zeros_(module.bias)
        with torch.no_grad():
            self.network.prepare()

    def forward(
        self, z: Tensor, label: Tensor | None, random: torch.Generator | None = None
    ) -> Tensor:
        """See `Student.forward`."""
        for module in self.network.modules():
            if isinstance(module, proggan.Conv):
                module.prepare()
        return self.network(z)

    def config(self) -> dict[str, Any]:
        """See `Student.config`."""
        return {"label_size": 0, "fused_scale": False, "final_tanh": False, "use_wscale": True}


class Noisy(Student):
    """z to w, the same w for every layer, fresh noise."""

    examples = 2_000
    network: stylegan.Network | stylegan2.Network

    def forward(
        self, z: Tensor, label: Tensor | None, random: torch.Generator | None = None
    ) -> Tensor:
        """See `Student.forward`."""
        self.network.prepare()
        w = self.network.mapping(z, None)
        layers = self.network.config.num_ws
        noise = FreshNoise("random", range(len(z)), random)
        return self.network.synthesis(w[:, None].expand(-1, layers, -1), noise)


class StyleGAN(Noisy):
    """StyleGAN with two mapping layers."""

    def __init__(self) -> None:
        super().__init__()
        self.network = stylegan.Network(
            stylegan.Config(CHANNELS, z_dim=LATENT, w_dim=LATENT, mapping_layers=2)
        )
        synthesis = self.network.synthesis
        _draw_linear(self.network)
        for layer in synthesis.layers:
            nn.init.zeros_(layer.bias)
            nn.init.zeros_(layer.apply_noise.weight)
            nn.init.normal_(layer.apply_noise.noise)
            if hasattr(layer, "weight"):
                nn.init.normal_(layer.weight)
                if layer.up:
                    layer.blur.kernel.copy_(stylegan.BLUR.expand_as(layer.blur.kernel))
            else:
                nn.init.ones_(layer.const)
        # Growing networks had an output at every resolution; here only the last one is used.
        for output in synthesis.outputs:
            nn.init.zeros_(output.weight)
            nn.init.zeros_(output.bias)
        nn.init.normal_(synthesis.outputs[-1].weight)
        nn.init.zeros_(synthesis.lod)

    def finish(self) -> None:
        """Measure the mean of w."""
        _set_mean(self.network.mapping, self.network.truncation.w_avg)

    def config(self) -> dict[str, Any]:
        """See `Student.config`."""
        return {
            "mapping_lr_mul": 0.01,
            "fused_scale": "auto",
            "final_tanh": False,
            "use_wscale": True,
        }


class StyleGAN2(Noisy):
    """StyleGAN2 with a skip image and two mapping layers."""

    def __init__(self) -> None:
        super().__init__()
        config = stylegan2.Config(CHANNELS, z_dim=LATENT, w_dim=LATENT, mapping_layers=2)
        self.network = stylegan2.Network(config)
        _draw_linear(self.network)
        for name, tensor in [*self.network.named_parameters(), *self.network.named_buffers()]:
            if name.endswith((".const", ".noise_const", *WEIGHTS)):
                nn.init.normal_(tensor)
            elif name.endswith("resample_filter"):
                tensor.copy_(stylegan2.FILTER)
            elif name.endswith((".noise_strength", "conv0.bias", "conv1.bias", "torgb.bias")):
                nn.init.zeros_(tensor)

    def finish(self) -> None:
        """Measure the mean of w."""
        _set_mean(self.network.mapping, self.network.mapping.w_avg)

    def config(self) -> dict[str, Any]:
        """See `Student.config`."""
        return {"synthesis_kwargs": {"conv_clamp": None, "num_fp16_res": 0}}


def _draw_linear(network: nn.Module) -> None:
    """Equalized linear layers; styles start at one, everything else at zero."""
    for name, module in network.named_modules():
        if isinstance(module, Linear):
            nn.init.normal_(module.weight, std=1 / module.bias_gain)
            nn.init.constant_(module.bias, 1.0 if name.endswith(".affine") else 0.0)


@torch.no_grad()
def _set_mean(mapping: nn.Module, mean: Tensor, count: int = 10_000) -> None:
    z = torch.randn(count, LATENT, generator=torch.Generator().manual_seed(0))
    mean.copy_(mapping(z.to(mean), None).mean(0))


STUDENTS: dict[str, type[Student]] = {
    "biggan": BigGAN,
    "proggan": ProGAN,
    "stylegan": StyleGAN,
    "stylegan2": StyleGAN2,
    "stylegan3": StyleGAN3,
}
