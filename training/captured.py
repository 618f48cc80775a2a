"""A training step as one CUDA graph, which launches its thousands of small kernels at once."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

WARMUP_CALLS = 3
"""Calls before the capture, in which optimizers create their state and libraries choose kernels."""


class CapturedStep:
    """A training step on tensors that stay in place, captured as a CUDA graph.

    On a CPU every call runs the step itself. On a GPU the step is captured after a few calls and
    then replayed.

    Args:
        step: The step; it returns tensors by name.
        random: Where the step draws random numbers from. It may be seeded anew between calls.
    """

    def __init__(self, step: Callable[[], dict[str, Tensor]], random: torch.Generator) -> None:
        self.step, self.random = step, random
        self.calls = 0
        self.graph: torch.cuda.CUDAGraph | None = None
        self.outputs: dict[str, Tensor] = {}

    def __call__(self) -> dict[str, Tensor]:
        """Run the step once, on the current stream, and return its tensors."""
        self.calls += 1
        if self.random.device.type != "cuda" or self.calls <= WARMUP_CALLS:
            return self.step()
        if self.graph is None:
            self.graph = torch.cuda.CUDAGraph()
            self.graph.register_generator_state(self.random)
            with torch.cuda.graph(self.graph, stream=torch.cuda.current_stream()):
                self.outputs = self.step()
        self.graph.replay()
        return self.outputs
