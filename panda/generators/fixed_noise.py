"""Noise that a network draws inside its forward pass, made noise of its samples' seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from panda.errors import PandaError

BY_ROWS = {
    *("randn", "rand", "randint", "randn_like", "rand_like", "randint_like", "normal"),
    *("normal_", "uniform_", "random_", "log_normal_", "exponential_", "geometric_", "cauchy_"),
    *("bernoulli", "bernoulli_", "binomial", "poisson", "multinomial", "_standard_gamma"),
}
"""Torch's operations whose result has a row for each row of their first tensor, or of a size."""

PLACEMENT = {"generator", "device", "dtype", "layout", "pin_memory", "memory_format"}


class FixedNoise(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Within this context, all that torch draws is one value for each place and seed.

    A place is the number of the step and that of the draw in it, so that a pass which resumes at a
    step draws what it drew before. Row i of N (rows i and N + i of a guided batch of 2N) comes from
    ``seeds[i]`` alone. Numbers are drawn in float32 on the CPU, so that they are the same for every
    type and device. Torch's global random state stays as it is.

    Args:
        seeds: One for each sample.
        name: What draws, for errors.
    """

    def __init__(self, seeds: Sequence[int], name: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seeds, self.name = seeds, name
        self._step = self._draws = 0

    def at(self, step: int) -> None:
        """Say which step begins."""
        self._step, self._draws = step, 0

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run one of torch's operations; one that draws runs for each sample with its seed."""
        named = dict(kwargs or {})
        if torch.Tag.nondeterministic_seeded not in func.tags:
            return func(*args, **named)
        if func.overloadpacket.__name__ not in BY_ROWS:
            return self._unless_it_draws(func, args, named)
        shape = next(
            (list(v.shape) if isinstance(v, Tensor) else v for v in args if _has_shape(v)), []
        )
        if not shape or shape[0] % len(self.seeds):
            raise PandaError(
                f"{self.name} draws noise {shape} for {len(self.seeds)} samples, of which no row"
                " is known to be of a sample; fixed_noise is for noise [N, ...], or [2N, ...] of a"
                " guided batch"
            )
        self._draws += 1
        return self._by_rows(func, args, named, shape[0])

    def _by_rows(self, func: Any, args: tuple[Any, ...], named: dict[str, Any], rows: int) -> Any:
        options = {key: named[key] for key in named.keys() - PLACEMENT}
        if "generator" in named:
            options["generator"] = None  # the global one, which is of the seed here
        if dtype := named.get("dtype"):
            options["dtype"] = torch.float32 if dtype.is_floating_point else dtype
        parts, state = [], torch.get_rng_state()
        try:
            for sample, seed in enumerate(self.seeds):
                place = np.random.SeedSequence((seed, self._step, self._draws))
                torch.default_generator.manual_seed(int(place.generate_state(1, np.uint64)[0]))
                own = (_of_sample(value, sample, len(self.seeds), rows) for value in args)
                parts.append(func(*own, **options))
        finally:
            torch.set_rng_state(state)
        drawn = torch.stack(parts, 1).flatten(0, 1)  # row r is of sample r % N
        like = next((value for value in args if isinstance(value, Tensor)), drawn)
        if func.overloadpacket.__name__.endswith("_"):
            return like.copy_(drawn)
        kind = (dtype or like.dtype) if drawn.is_floating_point() else drawn.dtype
        return drawn.to(named.get("device") or like.device, kind)

    def _unless_it_draws(self, func: Any, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Run what may draw, as attention with dropout does; refuse it where it does."""
        device = next((value.device for value in args if isinstance(value, Tensor)), None)
        before = random_states(device)
        result = func(*args, **named)
        if random_states(device) != before:
            raise PandaError(
                f"{self.name} draws random numbers in torch's {func.overloadpacket.__name__}, of"
                " which no row is known to be of a sample; draw them in sample"
            )
        return result


def random_states(device: torch.device | None) -> list[bytes]:
    """Return the states of torch's global random number generators: the CPU's, and a GPU's."""
    states = [torch.get_rng_state()]
    if device is not None and device.type == "cuda":
        states.append(torch.cuda.get_rng_state(device))
    return [state.numpy().tobytes() for state in states]


def _has_shape(value: object) -> bool:
    return isinstance(value, Tensor | list)


def _of_sample(value: Any, sample: int, samples: int, rows: int) -> Any:
    """Return a sample's rows of a tensor, or their number in place of all in a size."""
    if isinstance(value, list):
        return [rows // samples, *value[1:]]
    if not isinstance(value, Tensor):
        return value
    own = value[sample::samples] if value.shape[:1] == (rows,) else value
    kind = torch.float32 if own.is_floating_point() else own.dtype
    return own.to("cpu", kind).contiguous()
