"""The networks for adversarial training: the plugins' own modules, randomly initialized.

A plugin prepares its weights once, after loading; here they are prepared in every step, so that
gradients reach them. The channel counts are too small for the kernels that serve inference only.
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
from panda_plugins.vae import network as vae

from . import biggan

CHANNELS = (128, 128, 128, 64, 32)
"""Channels at 4 x 4, 8 x 8, 16 x 16, 32 x 32 and 64 x 64."""

LATENT_DIM = 64
"""Dimensions of z and of w."""

CONVOLUTIONS = ("conv0.weight", "conv1.weight", "torgb.weight")
"""Names of the weights of StyleGAN2's convolutions."""


class Student(nn.Module, ABC):
    """A generator in training; the parameters of its ``network`` have their official names."""

    network: nn.Module
    z_dim = LATENT_DIM
    classes = 0
    learning_rate = 1e-3
    """For networks with equalized learning rates, the value of their authors."""
    pretraining_steps = 1_000
    """The number of first steps with the reconstruction loss alone."""

    @abstractmethod
    def forward(
        self, z: Tensor, label: Tensor | None, random: torch.Generator | None = None
    ) -> Tensor:
        """Return images ``[N, 3, 64, 64]``, with gradients.

        Args:
            z: ``[N, z_dim]``.
            label: Classes ``[N]``, or None where the network has none.
            random: Where noise is drawn from; by default torch's global generator.
        """

    def finish(self) -> None:
        """Compute what a file stores beside learned weights: the mean of w or batch statistics."""

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Return the settings that a file must state beside its tensors, in the official terms."""


class StyleGAN3(Student):
    """StyleGAN3-T with fewer layers and narrower margins.

    In training, each layer tracks the mean square of its input.
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
            z_dim=LATENT_DIM,
            w_dim=LATENT_DIM,
            conv_clamp=None,
            sampling=self.sampling,
        )
        self.network = stylegan3.Network(config)
        _init_linear(self.network)
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
            layer.register_forward_pre_hook(_track_magnitude)
        with torch.no_grad():
            self.network.prepare()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Prepare the weights anew, on the device to which they move."""
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
        """Compute the mean of w."""
        _set_w_mean(self.network.mapping, self.network.mapping.w_avg)

    def config(self) -> dict[str, Any]:
        """See `Student.config`."""
        return {"img_resolution": 64, "conv_clamp": None, **asdict(self.sampling)}


@torch.no_grad()
def _track_magnitude(layer: stylegan3.SynthesisLayer, inputs: tuple[Tensor, ...]) -> None:
    """Update the running mean square of a layer's input in training."""
    if layer.training:
        layer.magnitude_ema.lerp_(inputs[0].float().square().mean(), 1e-3)
        layer.gain = torch.rsqrt(layer.magnitude_ema)


class BigGAN(Student):
    """BigGAN with four classes and attention at 32 x 32."""

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
        """Compute the batch statistics."""
        self.network.accumulate_statistics()

    def config(self) -> dict[str, Any]:
        """See `Student.config`."""
        return {"BN_eps": 1e-5, "G_nl": "relu", "norm_style": "bn"}


@dataclass(frozen=True)
class FreshNoise(Noise):
    """New noise for each image in each step."""

    random: torch.Generator | None = None

    def draw(self, layer: int, stored: Tensor) -> Tensor:
        """See `Noise.draw`."""
        shape = len(self.seeds), 1, *stored.shape[-2:]
        return torch.randn(shape, device=stored.device, generator=self.random)


class ProGAN(Student):
    """ProGAN without progressive growing, since the discriminators see every scale anyway."""

    def __init__(self) -> None:
        super().__init__()
        self.network = proggan.Network(LATENT_DIM, CHANNELS)
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


class StyleGANWithNoise(Student):
    """StyleGAN or StyleGAN2: the same w for all layers, and new noise in each step."""

    pretraining_steps = 2_000
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


class StyleGAN(StyleGANWithNoise):
    """StyleGAN with two mapping layers."""

    def __init__(self) -> None:
        super().__init__()
        self.network = stylegan.Network(
            stylegan.Config(CHANNELS, z_dim=LATENT_DIM, w_dim=LATENT_DIM, mapping_layers=2)
        )
        synthesis = self.network.synthesis
        _init_linear(self.network)
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
        # Progressive growing needs an output at each resolution; here only the last one is used.
        for output in synthesis.outputs:
            nn.init.zeros_(output.weight)
            nn.init.zeros_(output.bias)
        nn.init.normal_(synthesis.outputs[-1].weight)
        nn.init.zeros_(synthesis.lod)

    def finish(self) -> None:
        """Compute the mean of w."""
        _set_w_mean(self.network.mapping, self.network.truncation.w_avg)

    def config(self) -> dict[str, Any]:
        """See `Student.config`."""
        return {
            "mapping_lr_mul": 0.01,
            "fused_scale": "auto",
            "final_tanh": False,
            "use_wscale": True,
        }


class StyleGAN2(StyleGANWithNoise):
    """StyleGAN2 with output skips and two mapping layers."""

    def __init__(self) -> None:
        super().__init__()
        config = stylegan2.Config(CHANNELS, z_dim=LATENT_DIM, w_dim=LATENT_DIM, mapping_layers=2)
        self.network = stylegan2.Network(config)
        _init_linear(self.network)
        for name, tensor in [*self.network.named_parameters(), *self.network.named_buffers()]:
            if name.endswith((".const", ".noise_const", *CONVOLUTIONS)):
                nn.init.normal_(tensor)
            elif name.endswith("resample_filter"):
                tensor.copy_(stylegan2.FILTER)
            elif name.endswith((".noise_strength", "conv0.bias", "conv1.bias", "torgb.bias")):
                nn.init.zeros_(tensor)

    def finish(self) -> None:
        """Compute the mean of w."""
        _set_w_mean(self.network.mapping, self.network.mapping.w_avg)

    def config(self) -> dict[str, Any]:
        """See `Student.config`."""
        return {"synthesis_kwargs": {"conv_clamp": None, "num_fp16_res": 0}}


class VAE(Student):
    """The decoder that `training.vae` has trained, whose samples are blurred without this."""

    learning_rate = 3e-4
    pretraining_steps = 0

    def __init__(self) -> None:
        super().__init__()
        self.network = vae.Network(self.z_dim, 128, (96, 96, 128, 64, 32), (1, 1, 2, 2, 1))

    def forward(
        self, z: Tensor, label: Tensor | None, random: torch.Generator | None = None
    ) -> Tensor:
        """See `Student.forward`."""
        image: Tensor = self.network(z)
        return image

    def config(self) -> dict[str, Any]:
        """See `Student.config`."""
        return {}


def _init_linear(network: nn.Module) -> None:
    """Initialize equalized linear layers; biases of styles start at one, all others at zero."""
    for name, module in network.named_modules():
        if isinstance(module, Linear):
            nn.init.normal_(module.weight, std=1 / module.bias_gain)
            nn.init.constant_(module.bias, 1.0 if name.endswith(".affine") else 0.0)


@torch.no_grad()
def _set_w_mean(mapping: nn.Module, mean: Tensor, count: int = 10_000) -> None:
    z = torch.randn(count, LATENT_DIM, generator=torch.Generator().manual_seed(0))
    mean.copy_(mapping(z.to(mean), None).mean(0))


STUDENTS: dict[str, type[Student]] = {
    "biggan": BigGAN,
    "proggan": ProGAN,
    "stylegan": StyleGAN,
    "stylegan2": StyleGAN2,
    "stylegan3": StyleGAN3,
    "vae": VAE,
}
