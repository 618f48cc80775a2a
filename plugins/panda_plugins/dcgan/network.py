"""The generator of DCGAN (Radford et al., arXiv 1511.06434), for inference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "leaky_relu": lambda x: F.leaky_relu(x, 0.2),
}


@dataclass(frozen=True)
class Step:
    """A transposed convolution and the batch norm after it.

    Attributes:
        conv: Its index in the original sequence of modules.
        norm: That of the batch norm; None after the last convolution.
        channels: Channels of its input and of its output.
        bias: Whether the convolution has a bias.
    """

    conv: int
    norm: int | None
    channels: tuple[int, int]
    bias: bool


class BatchNorm(nn.Module):
    """Batch norm with stored statistics, which has no count of training steps to load."""

    running_mean: Tensor
    running_var: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        for name in ("running_mean", "running_var", "weight", "bias"):
            self.register_buffer(name, torch.empty(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return normalized features, of the same shape."""
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias)


class Network(nn.Module):
    """Map latents ``[N, Z]``, z and one-hot label, to images ``[N, 1 to 4, R, R]``.

    The first step makes 4 x 4 pixels, and each later one doubles them. Modules have the numbers
    that they have in the original sequence.

    Args:
        steps: The convolutions in order.
        activation: A key of `ACTIVATIONS`.
    """

    def __init__(self, steps: Sequence[Step], activation: str) -> None:
        super().__init__()
        self.steps, self.activate = tuple(steps), ACTIVATIONS[activation]
        for number, step in enumerate(steps):
            stride, padding = (2, 1) if number else (1, 0)
            self.add_module(
                str(step.conv),
                nn.ConvTranspose2d(*step.channels, 4, stride, padding, bias=step.bias),
            )
            if step.norm is not None:
                self.add_module(str(step.norm), BatchNorm(step.channels[1]))
        self.eval()

    @property
    def channels(self) -> list[int]:
        """Return the channels of the features at 4, 8, 16, ... pixels."""
        return [step.channels[1] for step in self.steps[:-1]]

    def run(self, x: Tensor, start: int, stop: int) -> Tensor:
        """Run steps ``start`` to ``stop - 1`` with their activations."""
        for step in self.steps[start:stop]:
            x = self.get_submodule(str(step.conv))(x)
            x = self.activate(self.get_submodule(str(step.norm))(x))
        return x

    def to_image(self, x: Tensor) -> Tensor:
        """Return images ``[N, 1 to 4, R, R]`` in [-1, 1] from the last features."""
        return torch.tanh(self.get_submodule(str(self.steps[-1].conv))(x))

    def forward(self, latents: Tensor) -> Tensor:
        """Return images ``[N, 1 to 4, R, R]``."""
        return self.to_image(self.run(latents[:, :, None, None], 0, len(self.steps) - 1))
