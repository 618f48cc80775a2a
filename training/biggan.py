"""BigGAN for training (Brock et al., arXiv 1809.11096, appendix B).

It has batch norm and spectral norm, and its parameters have the names of Andrew Brock's code. The
plugin's network opens the same files for inference, with both norms folded into the weights.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class SpectralNormLayer(nn.Module):
    """A linear layer or convolution whose weight is divided by its largest singular value.

    Each training step updates the estimate of the singular value by one power iteration.
    """

    u0: Tensor
    sv0: Tensor

    def __init__(self, *shape: int, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.init.orthogonal_(torch.empty(shape)))
        self.bias = nn.Parameter(torch.zeros(shape[0])) if bias else None
        self.register_buffer("u0", torch.randn(1, shape[0]))
        self.register_buffer("sv0", torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[N, in]`` to ``[N, out]``, or ``[N, in, H, W]`` to ``[N, out, H, W]``."""
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


class BatchStatistics(nn.Module):
    """Batch norm without scale and shift.

    In inference it uses stored statistics; while ``accumulated``, the number of batches, is not
    None, it averages them over the batches that it sees.
    """

    stored_mean: Tensor
    stored_var: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("stored_mean", torch.zeros(channels))
        self.register_buffer("stored_var", torch.ones(channels))
        self.accumulated: int | None = None

    def normalize(self, x: Tensor) -> Tensor:
        """Normalize ``[N, C, H, W]`` by the statistics of the batch, or by the stored ones."""
        if self.accumulated is not None:
            self.accumulated += 1
            share = 1 / self.accumulated
            self.stored_mean.lerp_(x.mean((0, 2, 3)), share)
            self.stored_var.lerp_(x.var((0, 2, 3), correction=0), share)
        use_batch = self.training or self.accumulated is not None
        mean, var = (None, None) if use_batch else (self.stored_mean, self.stored_var)
        return F.batch_norm(x, mean, var, training=use_batch, eps=1e-5)


class BatchNorm(BatchStatistics):
    """Conditional batch norm and ReLU; gain and bias are linear in the condition."""

    def __init__(self, channels: int, condition: int) -> None:
        super().__init__(channels)
        self.gain = SpectralNormLayer(channels, condition, bias=False)
        self.bias = SpectralNormLayer(channels, condition, bias=False)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Return features of the same shape."""
        scale, shift = 1 + self.gain(condition), self.bias(condition)
        return F.relu(self.normalize(x) * scale[:, :, None, None] + shift[:, :, None, None])


class OutputNorm(BatchStatistics):
    """Batch norm with a learned gain and bias, and ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.gain = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return features of the same shape."""
        return F.relu(self.normalize(x) * self.gain[:, None, None] + self.bias[:, None, None])


class Block(nn.Module):
    """An upsampling residual block: two 3 x 3 convolutions beside a 1 x 1 shortcut."""

    def __init__(self, channels_in: int, channels: int, condition: int) -> None:
        super().__init__()
        self.bn1 = BatchNorm(channels_in, condition)
        self.bn2 = BatchNorm(channels, condition)
        self.conv1 = SpectralNormLayer(channels, channels_in, 3, 3)
        self.conv2 = SpectralNormLayer(channels, channels, 3, 3)
        self.conv_sc = SpectralNormLayer(channels, channels_in, 1, 1)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Map ``[N, channels_in, H, W]`` to ``[N, channels, 2 H, 2 W]``."""
        y = self.conv1(F.interpolate(self.bn1(x, condition), scale_factor=2.0))
        y = self.conv2(self.bn2(y, condition))
        return y + F.interpolate(self.conv_sc(x), scale_factor=2.0)


class SelfAttention(nn.Module):
    """Self-attention whose keys and values are pooled 2 x 2."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.theta = SpectralNormLayer(channels // 8, channels, 1, 1, bias=False)
        self.phi = SpectralNormLayer(channels // 8, channels, 1, 1, bias=False)
        self.g = SpectralNormLayer(channels // 2, channels, 1, 1, bias=False)
        self.o = SpectralNormLayer(channels, channels // 2, 1, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Features of the same shape."""
        query = self.theta(x).flatten(2).transpose(1, 2)
        key, value = (
            F.max_pool2d(layer(x), 2).flatten(2).transpose(1, 2) for layer in (self.phi, self.g)
        )
        out = F.scaled_dot_product_attention(query, key, value, scale=1.0)
        return x + self.gamma * self.o(out.transpose(1, 2).unflatten(2, x.shape[2:]))


class Network(nn.Module):
    """The generator: class embeddings, blocks with a chunk of z each, and attention at 32 x 32.

    Args:
        channels: Channels at 4 x 4, 8 x 8, and so on.
        chunk: Dimensions of each chunk of z.
        classes: The number of classes.
        shared: Dimensions of the class embedding that all blocks share.
    """

    def __init__(self, channels: tuple[int, ...], chunk: int, classes: int, shared: int) -> None:
        super().__init__()
        self.channels, self.chunk = channels, chunk
        self.shared = nn.Embedding(classes, shared)
        self.linear = SpectralNormLayer(16 * channels[0], chunk)
        self.blocks = nn.ModuleList()
        for k, (channels_in, channels_out) in enumerate(pairwise(channels)):
            stage: list[nn.Module] = [Block(channels_in, channels_out, shared + chunk)]
            if 8 << k == 32:
                stage.append(SelfAttention(channels_out))
            self.blocks.append(nn.ModuleList(stage))
        last = channels[-1]
        self.output_layer = nn.ModuleDict(
            {"0": OutputNorm(last), "2": SpectralNormLayer(3, last, 3, 3)}
        )

    @property
    def z_dim(self) -> int:
        """The number of dimensions of z, over all chunks."""
        return self.chunk * (len(self.blocks) + 1)

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        """Return images ``[N, 3, R, R]`` in [-1, 1] from z ``[N, z_dim]`` and classes ``[N]``."""
        embedding = self.shared(label)
        first, *others = torch.split(z, self.chunk, 1)
        x = self.linear(first).view(len(z), -1, 4, 4).contiguous(memory_format=torch.channels_last)
        for stage, chunk in zip(self.blocks, others, strict=True):
            condition = torch.cat([embedding, chunk], 1)
            for module in stage:
                x = module(x, condition)
        return self.output_layer["2"](self.output_layer["0"](x)).tanh()

    @torch.no_grad()
    def accumulate_statistics(self, batches: int = 16, size: int = 128) -> None:
        """Replace the stored statistics by averages over random samples of all classes."""
        norms = [module for module in self.modules() if isinstance(module, BatchStatistics)]
        for norm in norms:
            norm.accumulated = 0
        generator = torch.Generator().manual_seed(0)
        device = self.shared.weight.device
        for _ in range(batches):
            z = torch.randn(size, self.z_dim, generator=generator).to(device)
            label = torch.randint(self.shared.num_embeddings, (size,), generator=generator)
            self(z, label.to(device))
        for norm in norms:
            norm.accumulated = None
