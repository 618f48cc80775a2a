"""Samplers: schedulers of diffusers that keep nothing between steps."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from panda.errors import PandaError, describe_error

from .kinds import SAMPLERS
from .library import accepted, imported

MEMORY = (
    *("model_outputs", "timestep_list", "lower_order_nums", "this_order", "last_sample"),
    *("ets", "counter", "cur_sample", "cur_model_output"),
)
"""What schedulers of several orders keep of the steps before: DPM-Solver, UniPC, PNDM."""

FLOW = SAMPLERS["flow"]

MOST_STEPS = 100_000
"""The most steps of training that a config may say."""

Memory = dict[str, Any]


class Sampler:
    """A scheduler of diffusers whose memory is given to each step, and given back by it.

    Args:
        name: The scheduler's class, one of those in `SAMPLERS`.
        config: Its config, or that of another scheduler of diffusion.
        steps: How many steps it is to take.

    Attributes:
        timesteps: What the network is told of each step; some samplers take one more than was
            asked for.
        draws: Whether its steps add noise.

    Raises:
        PandaError: For steps or a config with which it cannot run.
    """

    def __init__(self, name: str, config: Mapping[str, Any], steps: int) -> None:
        make = imported(name)
        trained = config.get("num_train_timesteps", 1000)
        if not isinstance(trained, int) or not 1 <= trained <= MOST_STEPS:
            raise PandaError(f"the config of {name} says num_train_timesteps={trained!r:.40}")
        if steps > trained:
            raise PandaError(f"option steps={steps}: it was trained with {trained} steps")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # its own use of NumPy
                self._scheduler = make(**accepted(make.__init__, config))
                self._scheduler.set_timesteps(steps)
        except Exception as error:  # of any config at all
            raise PandaError(
                f"{name} does not take this config: {describe_error(error)}"
            ) from error
        self.timesteps: Tensor = self._scheduler.timesteps
        sde = str(config.get("algorithm_type", "")).startswith("sde")
        self.draws = name in (SAMPLERS["ddpm"], SAMPLERS["euler_a"]) or (
            name == SAMPLERS["dpm"] and sde
        )

    @property
    def noise_scale(self) -> float:
        """The standard deviation of the noise from which it starts."""
        return float(getattr(self._scheduler, "init_noise_sigma", 1.0))

    def begin(self) -> Memory:
        """Return the memory before the first step."""
        return self._memory(self._scheduler)

    def scaled(self, k: int, x: Tensor) -> Tensor:
        """Return what the network sees of ``x`` ``[N, C, H, W]`` in step ``k``."""
        if not hasattr(self._scheduler, "scale_model_input"):
            return x
        scaled: Tensor = self._at(k, {}).scale_model_input(x, self.timesteps[k])
        return scaled

    def step(self, k: int, output: Tensor, x: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """Return ``x`` after step ``k`` of what the network gives for it, and the memory."""
        scheduler = self._at(k, memory)
        x = scheduler.step(output, self.timesteps[k], x, return_dict=False)[0]
        return x, self._memory(scheduler)

    def _at(self, k: int, memory: Memory) -> Any:
        """Return the scheduler at a step, to be used once."""
        scheduler = copy.copy(self._scheduler)
        vars(scheduler).update(self._copied(memory))
        if hasattr(scheduler, "_step_index"):
            scheduler._step_index = k
            scheduler.is_scale_input_called = True  # Euler's, for a warning
        return scheduler

    def _memory(self, scheduler: Any) -> Memory:
        kept = vars(scheduler)
        return self._copied({name: kept[name] for name in MEMORY if name in kept})

    def _copied(self, memory: Memory) -> Memory:
        """Return a memory whose lists are others: schedulers write into them."""
        return {name: list(v) if isinstance(v, list) else v for name, v in memory.items()}


def chosen_sampler(
    choice: str, own: str, config: Mapping[str, Any], steps: int, *, known: bool = True
) -> Sampler:
    """Return the sampler of an option.

    Args:
        choice: A name in `SAMPLERS`, or ``"own"``.
        own: The class of the folder's scheduler.
        config: Its config.
        steps: How many steps it is to take.
        known: Whether the folder says any of this.

    Raises:
        PandaError: For a scheduler that is not offered, and for one of flows where the network was
            trained for diffusion, or the other way around.
    """
    name = own if choice == "own" else SAMPLERS[choice]
    offered = ", ".join(SAMPLERS)
    if name not in SAMPLERS.values():
        raise PandaError(
            f"its scheduler is {own:.60}, which is not offered; choose one of {offered} with"
            " ?scheduler=ddim"
        )
    if known and (name == FLOW) != own.startswith("FlowMatch"):
        trained = "flow matching" if own.startswith("FlowMatch") else "diffusion"
        raise PandaError(
            f"option scheduler={choice}: its network was trained for {trained} ({own:.60}), which"
            " this sampler does not follow"
        )
    return Sampler(name, config, steps)
