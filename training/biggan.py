"""BigGAN as it learns: batch statistics and running spectral norms, under Andrew Brock's names.

The plugin's network is the finished one, with both folded away; this is the other side of the same
file (Brock et al., arXiv 1809.11096, appendix B).
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Spectral(nn.Module):
    """A weight over its largest singular value, which one power iteration a step follows."""

    u0: Tensor
    sv0: Tensor

    def __init__(self, *shape: int, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.init.orthogonal_(torch.empty(shape)))
        self.bias = nn.Parameter(torch.zeros(shape[0])) if bias else None
        self.register_buffer("u0", torch.randn(1, shape[0]))
        self.register_buffer("sv0", torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        """``[N, in]`` to ``[N, out]``, or a convolution that keeps the size."""
        rows = self.weight.flatten(1)
        with torch.no_grad():
            v = F.normalize(self.u0 @ rows)
            u = F.normalize(v @ rows.T)
            if self.training:
                self.u0.copy_(u)
        sigma = (v @ rows.T @ u.T)[0, 0]
        if self.training:
            self.sv0.fill_(sigma.detach())
        weight = self.weight / sigma
        if weight.dim() == 2:
            return F.linear(x, weight, self.bias)
        return F.conv2d(x, weight, self.bias, padding=weight.shape[2] // 2)


class Statistics(nn.Module):
    """Batch norm without its own scale; ``collected`` batches make the stored statistics."""

    stored_mean: Tensor
    stored_var: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("stored_mean", torch.zeros(channels))
        self.register_buffer("stored_var", torch.ones(channels))
        self.collected: int | None = None

    def normalize(self, x: Tensor) -> Tensor:
        """Zero mean and unit variance over the batch, or by the stored statistics."""
        if self.collected is not None:
            self.collected += 1
            share = 1 / self.collected
            self.stored_mean.lerp_(x.mean((0, 2, 3)), share)
            self.stored_var.lerp_(x.var((0, 2, 3), correction=0), share)
        whole = self.training or self.collected is not None
        mean, var = (None, None) if whole else (self.stored_mean, self.stored_var)
        return F.batch_norm(x, mean, var, training=whole, eps=1e-5)


class BatchNorm(Statistics):
    """Gain and bias come from the condition."""

    def __init__(self, channels: int, condition: int) -> None:
        super().__init__(channels)
        self.gain = Spectral(channels, condition, bias=False)
        self.bias = Spectral(channels, condition, bias=False)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Normalize, scale, shift, ReLU."""
        scale, shift = 1 + self.gain(condition), self.bias(condition)
        return F.relu(self.normalize(x) * scale[:, :, None, None] + shift[:, :, None, None])


class OutputNorm(Statistics):
    """Gain and bias are learned."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.gain = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalize, scale, shift, ReLU."""
        return F.relu(self.normalize(x) * self.gain[:, None, None] + self.bias[:, None, None])


class Block(nn.Module):
    """Two 3 x 3 convolutions beside a 1 x 1 one, upsampling."""

    def __init__(self, channels_in: int, channels: int, condition: int) -> None:
        super().__init__()
        self.bn1 = BatchNorm(channels_in, condition)
        self.bn2 = BatchNorm(channels, condition)
        self.conv1 = Spectral(channels, channels_in, 3, 3)
        self.conv2 = Spectral(channels, channels, 3, 3)
        self.conv_sc = Spectral(channels, channels_in, 1, 1)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """``[N, C, H, W]`` to ``[N, C, 2 H, 2 W]``."""
        y = self.conv1(F.interpolate(self.bn1(x, condition), scale_factor=2.0))
        y = self.conv2(self.bn2(y, condition))
        return y + F.interpolate(self.conv_sc(x), scale_factor=2.0)


class SelfAttention(nn.Module):
    """Self-attention over 2 x 2-pooled features."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.theta = Spectral(channels // 8, channels, 1, 1, bias=False)
        self.phi = Spectral(channels // 8, channels, 1, 1, bias=False)
        self.g = Spectral(channels // 2, channels, 1, 1, bias=False)
        self.o = Spectral(channels, channels // 2, 1, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Features of the same shape."""
        query = self.theta(x).flatten(2).transpose(1, 2)
        key, value = (F.max_pool2d(y(x), 2).flatten(2).transpose(1, 2) for y in (self.phi, self.g))
        out = F.scaled_dot_product_attention(query, key, value, scale=1.0)
        return x + self.gamma * self.o(out.transpose(1, 2).unflatten(2, x.shape[2:]))


class Network(nn.Module):
    """Class vectors, blocks that each see a chunk of z, an image; attention at 32 x 32."""

    def __init__(self, channels: tuple[int, ...], chunk: int, classes: int, shared: int) -> None:
        super().__init__()
        self.channels, self.chunk = channels, chunk
        self.shared = nn.Embedding(classes, shared)
        self.linear = Spectral(16 * channels[0], chunk)
        self.blocks = nn.ModuleList()
        for k, (before, after) in enumerate(pairwise(channels)):
            stage: list[nn.Module] = [Block(before, after, shared + chunk)]
            if 8 << k == 32:
                stage.append(SelfAttention(after))
            self.blocks.append(nn.ModuleList(stage))
        last = channels[-1]
        self.output_layer = nn.ModuleDict({"0": OutputNorm(last), "2": Spectral(3, last, 3, 3)})

    @property
    def z_dim(self) -> int:
        """All chunks."""
        return self.chunk * (len(self.blocks) + 1)

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        """Z ``[N, z_dim]`` and classes ``[N]`` to images in [-1, 1]."""
        told = self.shared(label)
        first, *others = torch.split(z, self.chunk, 1)
        x = self.linear(first).view(len(z), -1, 4, 4).contiguous(memory_format=torch.channels_last)
        for stage, chunk in zip(self.blocks, others, strict=True):
            condition = torch.cat([told, chunk], 1)
            for module in stage:
                x = module(x, condition)
        return self.output_layer["2"](self.output_layer["0"](x)).tanh()

    @torch.no_grad()
    def collect(self, batches: int = 16, size: int = 128) -> None:
        """Replace the stored statistics by means over fresh batches of all classes."""
        norms = [module for module in self.modules() if isinstance(module, Statistics)]
        for norm in norms:
            norm.collected = 0
        generator = torch.Generator().manual_seed(0)
        device = self.shared.weight.device
        for _ in range(batches):
            z = torch.randn(size, self.z_dim, generator=generator).to(device)
            label = torch.randint(self.shared.num_embeddings, (size,), generator=generator)
            self(z, label.to(device))
        for norm in norms:
            norm.collected = None
