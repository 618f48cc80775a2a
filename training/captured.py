"""A step of training as one CUDA graph: thousands of small kernels that are started at once."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

PLAIN = 3
"""So many first calls run plainly: optimizers make their state, libraries choose their kernels."""


class Captured:
    """Work on tensors that stay where they are; it gives numbers by name.

    On a CPU every call is plain work. On a GPU it is captured after a few calls and then replayed;
    what it draws comes from ``random``, which may be given another seed between calls.
    """

    def __init__(self, work: Callable[[], dict[str, Tensor]], random: torch.Generator) -> None:
        self.work, self.random = work, random
        self.calls = 0
        self.graph: torch.cuda.CUDAGraph | None = None
        self.found: dict[str, Tensor] = {}

    def __call__(self) -> dict[str, Tensor]:
        """Do the work once, on the current stream."""
        self.calls += 1
        if self.random.device.type != "cuda" or self.calls <= PLAIN:
            return self.work()
        if self.graph is None:
            self.graph = torch.cuda.CUDAGraph()
            self.graph.register_generator_state(self.random)
            with torch.cuda.graph(self.graph, stream=torch.cuda.current_stream()):
                self.found = self.work()
        self.graph.replay()
        return self.found
