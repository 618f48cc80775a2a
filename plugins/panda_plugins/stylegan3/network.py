"""StyleGAN3's generator (Karras et al., arXiv 2106.12423), T and R, for fast inference.

Names and shapes of parameters and buffers are those of NVIDIA's files. A 3 x 3 convolution shares
its weights over the batch: styles scale its input, demodulation its output. A 1 x 1 convolution is
a matrix product with weights of each sample's own. Styles are normalized per sample, where the
original takes the whole batch: demodulation cancels that scale (but for its epsilon), and no sample
depends on the others. Features are ``[N, C, H, W]``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..common.layers import GAIN, SLOPE, Affine, Linear, normalize
from ..common.winograd import conv3x3, transform
from .design import LayerDesign, Rate, Sampling
from .resample import Resampler


@dataclass(frozen=True)
class Config:
    """What shapes a network; ``channels`` are those of every layer's output, to RGB included."""

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
        """How many places take a w of their own: the input and every layer."""
        return len(self.channels) + 1


class MappingNetwork(nn.Module):
    """z ``[N, z]`` and one-hot labels ``[N, classes]`` to w ``[N, w]``, untruncated."""

    w_avg: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        w_dim, self.num_layers = config.w_dim, config.mapping_layers
        self.embed = Linear(config.classes, w_dim) if config.classes else None
        for i in range(self.num_layers):
            features_in = w_dim if i else config.z_dim + (w_dim if config.classes else 0)
            self.add_module(
                f"fc{i}", Linear(features_in, w_dim, lr_multiplier=config.lr_multiplier)
            )
        self.register_buffer("w_avg", torch.empty(w_dim))

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """Return w; ``label`` is wanted where there are classes."""
        x = normalize(z)
        if self.embed is not None:
            x = torch.cat([x, normalize(self.embed(label))], 1)
        for i in range(self.num_layers):
            x = F.leaky_relu(self.get_submodule(f"fc{i}")(x), SLOPE) * GAIN
        return x


class SynthesisInput(nn.Module):
    """Fourier features, rotated and shifted by w, then by the user's own transform."""

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
        """Return features ``[N, C, H, W]``.

        ``transform`` is the inverse of what happens to the image, in units of its width.
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
        """Frequencies ``[N, C, 2]`` and phases ``[N, C]`` seen through rotation and shift."""
        t = t / t[:, :2].norm(dim=1, keepdim=True)
        cos, sin, right, below = t.unbind(1)
        rotation = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)
        shift = rotation @ -torch.stack([right, below], 1)[:, :, None]
        matrix = torch.cat([rotation, shift], 2) @ self.transform  # [N, 2, 3]
        freqs = self.freqs @ matrix[:, :, :2]
        return freqs, self.phases + (self.freqs @ matrix[:, :, 2:])[:, :, 0]


class SynthesisLayer(nn.Module):
    """Modulated convolution, then the activation between two sampling rates (none for RGB)."""

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
        """Compute once what depends on the loaded weights alone."""
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
        """The part of `prepare` that changes with the weights."""
        self.gain = torch.rsqrt(self.magnitude_ema)
        square = self.weight.square().sum((2, 3))
        # The original scales the weights of each output to a mean square of one.
        self.norm = torch.rsqrt(square.mean(1) / self.kernel**2)
        self.energy = square * self.norm.square()[:, None]
        self.winograd = transform(self.weight) if self.kernel == 3 else None

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Return features ``[N, C, H, W]`` from w ``[N, w]``; ``x`` is left as it is."""
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
        """``(x * style) W * scale + bias`` at all positions that the kernel touches."""
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
        """1 x 1 convolution with weights ``[N, C_out, C]`` of each sample's own, plus bias."""
        rows = x.flatten(2)
        if self.in_half:
            rows = (weight.half() @ rows.half()).to(weight.dtype) + self.bias[:, None]
        else:
            rows = torch.baddbmm(self.bias[None, :, None], weight, rows)
        return rows.reshape(len(x), -1, *x.shape[2:])


class Synthesis(nn.Module):
    """w of every place ``[N, num_ws, w]`` to images; ``names`` are those of the layers."""

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
        """Layers ``start`` to ``stop - 1``."""
        for i in range(start, stop):
            x = self.layers[i](x, ws[:, i + 1])
        return x

    def forward(self, ws: Tensor) -> Tensor:
        """Return images ``[N, 3, R, R]`` in about [-1, 1]."""
        return self.finish(self.input(ws[:, 0]), ws, 0)

    def finish(self, x: Tensor, ws: Tensor, start: int) -> Tensor:
        """Layers ``start`` and later, to images."""
        return self.run(x, ws, start, len(self.layers)) * self.output_scale


class Network(nn.Module):
    """Mapping and synthesis."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.mapping = MappingNetwork(config)
        self.synthesis = Synthesis(config)

    def prepare(self) -> None:
        """Get ready to run, once the weights, their type and their device are final.

        Layers that were trained in half precision run so on a GPU, and in full on a CPU.
        """
        for layer in self.synthesis.layers:
            layer.prepare()
