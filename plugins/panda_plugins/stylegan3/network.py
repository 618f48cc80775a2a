"""The networks of StyleGAN3 T and R (Karras et al., arXiv 2106.12423), for fast inference.

The official code is ``training/networks_stylegan3.py`` of NVlabs/stylegan3; names and shapes of
parameters and buffers are those of its files. A 3 x 3 convolution shares its weights over the
batch: styles scale its input, demodulation its output. A 1 x 1 convolution is a matrix product with
separate weights for each sample. Styles are normalized per sample, where the original normalizes
the whole batch: demodulation cancels that scale (except for its epsilon), and samples do not depend
on each other. Features are ``[N, C, H, W]``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..common.layers import Affine, Linear, Mapping
from ..common.winograd import conv3x3, transform
from .design import LayerDesign, Rate, Sampling
from .resample import Resampler


@dataclass(frozen=True)
class Config:
    """The sizes and options of a StyleGAN3 network.

    Attributes:
        resolution: Height and width of the images, in pixels.
        channels_in: Channels of the Fourier features.
        channels: Channels of every layer's output; the last layer's are the image's.
        z_dim: Size of z.
        w_dim: Size of w.
        classes: Number of classes; 0 for an unconditional network.
        mapping_layers: Depth of the mapping network.
        lr_multiplier: Learning-rate multiplier of the mapping network.
        kernel: Size of the convolutions: 3 for T, 1 for R.
        conv_clamp: Bound of the absolute value of features; None for no bound.
        output_scale: Factor of the image.
        sampling: The arguments that decide sampling rates.
    """

    resolution: int
    channels_in: int
    channels: tuple[int, ...]
    z_dim: int = 512
    w_dim: int = 512
    classes: int = 0
    mapping_layers: int = 2
    lr_multiplier: float = 0.01
    kernel: int = 3
    conv_clamp: float | None = 256.0
    output_scale: float = 0.25
    sampling: Sampling = field(default_factory=Sampling)

    @property
    def num_ws(self) -> int:
        """Number of slots of w+: the Fourier features and every layer."""
        return len(self.channels) + 1


class SynthesisInput(nn.Module):
    """Make Fourier features ``[N, C, H, W]``, rotated and shifted by w, then by ``transform``."""

    freqs: Tensor
    phases: Tensor
    transform: Tensor

    def __init__(self, w_dim: int, channels: int, rate: Rate) -> None:
        super().__init__()
        self.rate = rate
        self.weight = nn.Parameter(torch.empty(channels, channels))
        self.affine = Linear(w_dim, 4)
        self.w_dim = w_dim
        self.register_buffer("transform", torch.empty(3, 3))
        self.register_buffer("freqs", torch.empty(channels, 2))
        self.register_buffer("phases", torch.empty(channels))

    def forward(self, w: Tensor) -> Tensor:
        """Return features ``[N, C, H, W]`` for w ``[N, w_dim]``.

        ``transform`` ``[3, 3]`` is the inverse of the transform that the image undergoes, in units
        of its width.
        """
        freqs, phases = self._transformed(self.affine(w[:, : self.w_dim]))
        norm, band = freqs.norm(dim=2), self.rate.sampling_rate / 2 - self.rate.cutoff
        amplitudes = (1 - (norm - self.rate.cutoff) / band).clamp(0, 1)
        size = self.rate.size
        axis = torch.arange(size, device=w.device, dtype=w.dtype)[:, None] + (1 - size) / 2
        axis = axis * (2 * math.pi / self.rate.sampling_rate)
        across = axis * freqs[:, None, :, 0]  # [N, W, C]
        down = axis * freqs[:, None, :, 1] + phases[:, None] * (2 * math.pi)  # [N, H, C]
        x = torch.sin(across[:, None] + down[:, :, None])
        mix = amplitudes[:, None, :] * (self.weight / math.sqrt(len(self.weight)))  # [N, C, C]
        return torch.einsum("noc,nhwc->nohw", mix, x).contiguous()

    def _transformed(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """Return frequencies ``[N, C, 2]`` and phases ``[N, C]`` after rotation and shift."""
        t = t / t[:, :2].norm(dim=1, keepdim=True)
        cos, sin, right, below = t.unbind(1)
        rotation = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)
        shift = rotation @ -torch.stack([right, below], 1)[:, :, None]
        matrix = torch.cat([rotation, shift], 2) @ self.transform  # [N, 2, 3]
        freqs = self.freqs @ matrix[:, :, :2]
        return freqs, self.phases + (self.freqs @ matrix[:, :, 2:])[:, :, 0]


class SynthesisLayer(nn.Module):
    """Convolve ``[N, C_in, H_in, W_in]``, modulated, and resample to ``[N, C, H, W]``.

    The activation works between upsampling and downsampling; the last layer, to RGB, has neither.
    """

    magnitude_ema: Tensor
    up_filter: Tensor | None
    down_filter: Tensor | None

    def __init__(self, config: Config, channels_in: int, channels: int, design: LayerDesign):
        super().__init__()
        self.design, self.clamp = design, config.conv_clamp
        self.kernel = 1 if design.is_rgb else config.kernel
        self.affine = Affine(config.w_dim, channels_in)
        self.weight = nn.Parameter(torch.empty(channels, channels_in, self.kernel, self.kernel))
        self.bias = nn.Parameter(torch.empty(channels))
        self.register_buffer("magnitude_ema", torch.empty(()))
        for name, taps in design.filters.items():
            self.register_buffer(name, None if taps is None else torch.empty(taps.shape))

    def prepare(self) -> None:
        """Compute what depends on the weights alone; call once they are final."""
        single = self.weight.is_cuda and self.weight.dtype == torch.float32
        self.in_half = self.design.use_fp16 and single
        self.weigh()
        if not self.design.is_rgb:
            size_in = self.design.source.size + self.kernel - 1
            identity = self.weight.new_ones(1)
            self.resampler = Resampler(
                identity if self.up_filter is None else self.up_filter,
                identity if self.down_filter is None else self.down_filter,
                up=self.design.up,
                down=self.design.down,
                padding=self.design.padding(size_in),
                size_in=size_in,
                size=self.design.target.size,
                clamp=self.clamp,
            )

    def weigh(self) -> None:
        """Compute the part of `prepare` that changes with the weights."""
        self.gain = torch.rsqrt(self.magnitude_ema)
        square = self.weight.square().sum((2, 3))
        # The original scales the weights of each output to a mean square of one.
        self.norm = torch.rsqrt(square.mean(1) / self.kernel**2)
        self.energy = square * self.norm.square()[:, None]
        self.winograd = transform(self.weight) if self.kernel == 3 else None

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Return features ``[N, C, H, W]`` from w ``[N, w_dim]``; ``x`` is left as it is."""
        style = self.affine(w)
        if self.design.is_rgb:
            style = style * (self.gain / math.sqrt(x.shape[1]))
            x = self._multiply(x, self.weight.flatten(1) * style[:, None])
            x = x if self.clamp is None else x.clamp(-self.clamp, self.clamp)
        else:
            style = style * torch.rsqrt(style.square().mean(1, keepdim=True))
            scale = self.norm * torch.rsqrt(style.square() @ self.energy.T + 1e-8)
            x = self.resampler(self._convolve(x, style * self.gain, scale))
        return x.half().to(w.dtype) if self.in_half else x

    def _convolve(self, x: Tensor, style: Tensor, scale: Tensor) -> Tensor:
        """Return ``(x * style) W * scale + bias`` at all positions that the kernel reaches."""
        if self.kernel == 1:
            weight = self.weight.flatten(1) * style[:, None] * scale[:, :, None]
            return self._multiply(x, weight)
        x, padding = x * style[:, :, None, None], self.kernel - 1
        if self.in_half:  # weights of norm one keep the sums in range
            unit = torch.rsqrt(self.weight.square().sum((1, 2, 3)))
            weight = (self.weight * unit[:, None, None, None]).half()
            x, scale = F.conv2d(x.half(), weight, padding=padding).to(scale.dtype), scale / unit
        elif self.winograd is not None:
            x = conv3x3(F.pad(x, (1, 1, 1, 1)), self.winograd)
        else:
            x = F.conv2d(x, self.weight, padding=padding)
        return torch.addcmul(self.bias[:, None, None], x, scale[:, :, None, None])

    def _multiply(self, x: Tensor, weight: Tensor) -> Tensor:
        """Convolve 1 x 1, with weights ``[N, C_out, C]`` for each sample, and add the bias."""
        rows = x.flatten(2)
        if self.in_half:
            rows = (weight.half() @ rows.half()).to(weight.dtype) + self.bias[:, None]
        else:
            rows = torch.baddbmm(self.bias[None, :, None], weight, rows)
        return rows.reshape(len(x), -1, *x.shape[2:])


class Synthesis(nn.Module):
    """Synthesize images ``[N, 1 to 4, R, R]`` from w+ ``[N, num_ws, w_dim]``, by `names`."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        designs = config.sampling.layers(config.resolution)
        self.input = SynthesisInput(config.w_dim, config.channels_in, designs[0].source)
        self.names: list[str] = []
        self.layers: list[SynthesisLayer] = []
        before = config.channels_in
        for i, (design, channels) in enumerate(zip(designs, config.channels, strict=True)):
            self.names.append(f"L{i}_{design.target.size}_{channels}")
            self.layers.append(SynthesisLayer(config, before, channels, design))
            self.add_module(self.names[-1], self.layers[-1])
            before = channels
        self.output_scale = config.output_scale

    def run(self, x: Tensor, ws: Tensor, start: int, stop: int) -> Tensor:
        """Run layers ``start`` to ``stop - 1``."""
        for i in range(start, stop):
            x = self.layers[i](x, ws[:, i + 1])
        return x

    def forward(self, ws: Tensor) -> Tensor:
        """Return images ``[N, 1 to 4, R, R]``, about in [-1, 1]."""
        return self.finish(self.input(ws[:, 0]), ws, 0)

    def finish(self, x: Tensor, ws: Tensor, start: int) -> Tensor:
        """Run layer ``start`` and all later ones; return images ``[N, 1 to 4, R, R]``."""
        return self.run(x, ws, start, len(self.layers)) * self.output_scale


class Network(nn.Module):
    """The mapping network and the synthesis network."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.mapping = Mapping(
            config.z_dim,
            config.w_dim,
            layers=config.mapping_layers,
            classes=config.classes,
            lr_multiplier=config.lr_multiplier,
        )
        self.synthesis = Synthesis(config)

    def prepare(self) -> None:
        """Compute the kernels of all layers; call once weights, dtype and device are final.

        Layers that were trained in half precision run in it on a GPU, and in float32 on a CPU.
        """
        for layer in self.synthesis.layers:
            layer.prepare()
