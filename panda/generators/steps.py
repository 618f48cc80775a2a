"""Networks that run in steps, as the samplers of diffusion models do."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from dataclasses import fields, is_dataclass
from typing import Any

from torch import Tensor, nn


class Steps(nn.Module, ABC):
    """A module that makes images in steps, so that a `TorchModule` of it resumes at any of them.

        class DDIM(panda.Steps):
            def __init__(self, unet, alphas):
                super().__init__()
                self.unet, self.count = unet, len(alphas) - 1
                self.register_buffer("alphas", alphas)

            def start(self, z):
                return z

            def step(self, k, x):
                noise = self.unet(x, k)
                ...
                return x

    Submodules are its networks and parameters its weights, as in every module. All that goes from
    one step to the next is in the state: what a step leaves on ``self`` (as schedulers of several
    orders do) is not there when a pass resumes at the next one.

    Attributes:
        count: The number of steps.
    """

    count: int

    @abstractmethod
    def start(self, *inputs: Any, **named: Any) -> Any:
        """Return the state before the first step, of the module's inputs.

        A state is anything made of tensors: one of them, or lists, tuples, dicts and dataclasses.
        """

    @abstractmethod
    def step(self, k: int, state: Any) -> Any:
        """Return the state after step ``k``, which is a number from 0 to ``count - 1``."""

    def finish(self, state: Any) -> Any:
        """Return what the last state gives, such as decoded latents; by default the state.

        What runs here alone, or in ``start``, is a layer without a number: ``NAME``.
        """
        return state

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """Run from the inputs through all steps to the end."""
        state = self.start(*inputs, **named)
        for k in range(self.count):
            state = self.step(k, state)
        return self.finish(state)


class OneStep:
    """Any other module as one step, whose state is what the module is called with."""

    count = 1

    def __init__(self, module: nn.Module) -> None:
        self.module = module

    def start(self, *inputs: Any, **named: Any) -> Any:
        """Return the inputs."""
        return inputs, named

    def step(self, _k: int, state: Any) -> Any:
        """Return what the module returns."""
        inputs, named = state
        return self.module(*inputs, **named)

    def finish(self, output: Any) -> Any:
        """Return the output."""
        return output


def copied(state: Any) -> Any:
    """Return a state whose tensors are copies, since a step may work in place."""
    if isinstance(state, Tensor):
        return state.clone()
    if isinstance(state, dict):
        new = copy.copy(state)
        new.update((key, copied(value)) for key, value in state.items())
        return new
    if isinstance(state, list | tuple):
        items = [copied(value) for value in state]
        return type(state)(*items) if hasattr(state, "_fields") else type(state)(items)
    if is_dataclass(state) and not isinstance(state, type):
        record = copy.copy(state)
        for field in fields(state):
            object.__setattr__(record, field.name, copied(getattr(state, field.name)))
        return record
    return state
