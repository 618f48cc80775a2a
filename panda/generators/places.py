"""Where in a network a layer is: which calls of which submodule, and how features lie in them."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from panda.errors import PandaError
from panda.generators.seeds import as_whole

ALL = "all"

LAYOUTS = ("NCHW", "NHWC", "NTC", "NCT")
"""Orders of axes: samples, channels, height and width, or tokens."""

HALVES = ("uncond", "cond")


@dataclass(frozen=True)
class Place:
    """A layer of a `TorchModule`: the output of a submodule, read as features ``[N, C, H, W]``.

        Place("unet.mid", call=3)                   # the fourth of its calls in a forward pass
        Place("blocks.5", grid=(16, 16))            # tokens [N, T, C], the last 256 of them a grid
        Place("down.1", pick=0, half="cond")        # of a tuple, of a batch [uncond, cond]
        Place("unet.mid", step="all")               # of a `Steps`, at all steps at once

    Attributes:
        module: The submodule's name, as `Module.named_modules` gives it.
        call: Which of its calls, from 0: in a forward pass, or in each step of a `Steps`. ``"all"``
            takes all of them at once, side by side on channels: ``[N, calls * C, H, W]``. By
            default it is called once.
        step: Which step of a `Steps`, from 0, or ``"all"`` of them side by side on channels. By
            default the place is several layers: ``NAME@0``, ``NAME@1``, ... and ``NAME@*`` for all;
            or ``NAME``, where it runs before or after the steps.
        pick: Which of several outputs: a position of a tuple or list, a key of a dict, the name of
            an attribute (``"sample"``), or a tuple of these from the outside to the inside.
        half: Which half of a guided batch of 2N rows, ``"cond"`` or ``"uncond"``; the other half
            stays as it is.
        order: What the two halves are. The unconditional one comes first in diffusers; for DiT's
            own code it is ``("cond", "uncond")``.
        layout: What the axes are: ``"NCHW"``, ``"NHWC"``, and for tokens ``"NTC"`` or ``"NCT"``.
            By default NCHW, and NTC where there is a grid.
        grid: Height and width of the grid in which tokens lie, row by row.
        skip: How many tokens come before those of the grid (class, registers, text); what is not
            in the grid stays as it is. By default all others come before.

    Raises:
        PandaError: For anything else.
    """

    module: str
    call: Any = None
    step: Any = None
    pick: Any = ()
    half: str | None = None
    order: Sequence[str] = HALVES
    layout: str = ""
    grid: Sequence[int] | None = None
    skip: int | None = None

    def __post_init__(self) -> None:
        """Check every attribute, and take numbers of NumPy and torch as Python's."""
        if not isinstance(self.module, str):
            self._refuse("module", "the name of a submodule, such as 'blocks.3'")
        for name in ("call", "step"):
            if (given := getattr(self, name)) is not None and given != ALL:
                self._whole(name, given, "a number from 0, or 'all'")
        if self.half not in (None, *HALVES):
            self._refuse("half", "'cond' or 'uncond'")
        if not _is_list(self.order) or tuple(self.order) not in (HALVES, HALVES[::-1]):
            self._refuse("order", "('uncond', 'cond'), or the other way around")
        if self.skip is not None:
            self._whole("skip", self.skip, "the number of tokens before the grid")
        if self.grid is not None:
            sizes = [as_whole(size) for size in self.grid] if _is_list(self.grid) else []
            if len(sizes) != 2 or not all(sizes) or min(size or 0 for size in sizes) < 1:
                self._refuse("grid", "height and width of the grid of tokens, such as (16, 16)")
            object.__setattr__(self, "grid", tuple(sizes))
        if not self.layout:
            object.__setattr__(self, "layout", "NTC" if self.grid else "NCHW")
        if self.layout not in LAYOUTS:
            self._refuse("layout", f"one of {', '.join(LAYOUTS)}")
        if ("T" in self.layout) != (self.grid is not None):
            raise PandaError(
                f"layout {self.layout} {'needs a' if 'T' in self.layout else 'has no'} grid;"
                " tokens (NTC, NCT) have one, such as grid=(16, 16)"
            )
        if self.skip is not None and self.grid is None:
            raise PandaError(f"skip={self.skip} is of tokens in a grid, but no grid was given")
        keys = self.pick if isinstance(self.pick, tuple) else (self.pick,)
        numbers = [as_whole(key) for key in keys]
        if any(n is None and not isinstance(k, str) for n, k in zip(numbers, keys, strict=True)):
            self._refuse("pick", "a position, a key, or the name of an attribute")
        path = tuple(k if n is None else n for n, k in zip(numbers, keys, strict=True))
        object.__setattr__(self, "pick", path)

    def read(self, output: Any, samples: int) -> Tensor:
        """Return the features ``[N, C, H, W]`` in a submodule's output for N samples.

        Raises:
            PandaError: Where the output is not as this place says.
        """
        picked = output
        for key in self.pick:
            picked = self._picked(picked, key)
        axes = len(self.layout)
        if not isinstance(picked, Tensor) or picked.ndim != axes:
            raise PandaError(
                f"module {self.module!r} gives {described(picked)}, expected features"
                f" [{', '.join(self.layout)}]; name a module inside it{_advice(picked)}"
            )
        rows = samples * (2 if self.half else 1)
        if len(picked) != rows:
            guided = "; a guided batch has half='cond' and half='uncond'"
            raise PandaError(
                f"module {self.module!r} gives {described(picked)} for {samples} sample"
                f"{'' if samples == 1 else 's'}, expected {rows} rows"
                f"{guided if len(picked) == 2 * samples else ''}"
            )
        if self.half:
            picked = picked.chunk(2)[self._half]
        if self.layout == "NCHW":
            return picked
        x = picked.movedim(self.layout.index("C"), 1)
        if self.grid is not None:
            start, stop = self._span(picked)
            x = x[:, :, start:stop].reshape(*x.shape[:2], *self.grid)
        return x.contiguous()

    def write(self, output: Any, x: Tensor, samples: int) -> Any:
        """Return an output with other features in place of those that `read` gives.

        Neither the output nor the features are written to, and they share no memory with the new
        one: what follows may work in place, as ReLU often does.
        """
        return self._replaced(output, self.pick, x, samples)

    def _replaced(self, output: Any, path: tuple[Any, ...], x: Tensor, samples: int) -> Any:
        if path:
            inner = self._replaced(self._picked(output, path[0]), path[1:], x, samples)
            return _with(output, path[0], inner)
        whole: Tensor = output.chunk(2)[self._half] if self.half else output
        new = x if self.grid is None else x.flatten(2)
        new = new.movedim(1, self.layout.index("C"))
        if self.grid is not None:
            (start, stop), axis = self._span(whole), self.layout.index("T")
            before, _, after = whole.tensor_split((start, stop), axis)
            new = torch.cat([before, new, after], axis)
        if self.half:
            halves = list(output.chunk(2))
            halves[self._half] = new
            new = torch.cat(halves)
        # In the order in memory that the module gave, by which kernels choose how they add.
        return torch.empty_like(output).copy_(new)

    @property
    def _half(self) -> int:
        return list(self.order).index(self.half or HALVES[0])

    def _span(self, tokens: Tensor) -> tuple[int, int]:
        """Return where the grid's tokens start and stop."""
        height, width = self.grid or (0, 0)
        count, size = tokens.shape[self.layout.index("T")], height * width
        start = count - size if self.skip is None else self.skip
        if start < 0 or start + size > count:
            before = f" after {self.skip} skipped" if self.skip else ""
            raise PandaError(
                f"module {self.module!r} gives {count} tokens ({described(tokens)}), expected at"
                f" least {size} for a grid of {height} x {width}{before}"
            )
        return start, start + size

    def _picked(self, output: Any, key: Any) -> Any:
        try:
            return getattr(output, key) if _by_attribute(output, key) else output[key]
        except (KeyError, IndexError, TypeError, AttributeError):
            options = (
                list(output) if isinstance(output, Mapping) else getattr(output, "__dict__", ())
            )
            known = f" with {', '.join(map(repr, options))}" if options else ""
            many = f" of {len(output)}" if isinstance(output, list | tuple) else ""
            raise PandaError(
                f"module {self.module!r} gives {described(output)}{many}{known}, of which pick="
                f"{key!r} is none"
            ) from None

    def _whole(self, name: str, given: Any, expected: str) -> None:
        whole = as_whole(given)
        if whole is None or whole < 0:
            self._refuse(name, expected)
        object.__setattr__(self, name, whole)

    def _refuse(self, name: str, expected: str) -> None:
        raise PandaError(
            f"{name} of a Place is {expected}, but {getattr(self, name)!r:.60} was given"
        )


def described(value: object) -> str:
    """Return the shape of a tensor, or the type of anything else, for an error."""
    return str(list(value.shape)) if isinstance(value, Tensor) else f"a {type(value).__name__}"


def _by_attribute(output: Any, key: Any) -> bool:
    return isinstance(key, str) and not isinstance(output, Mapping)


def _with(output: Any, key: Any, value: Any) -> Any:
    """Return a container with one value replaced; the container itself stays as it is."""
    if fields := getattr(output, "_fields", ()):  # of a named tuple
        return output._replace(**{key if isinstance(key, str) else fields[key]: value})
    if isinstance(output, tuple):
        return tuple(value if k == key % len(output) else old for k, old in enumerate(output))
    new = copy.copy(output)
    if _by_attribute(output, key):
        object.__setattr__(new, key, value)  # of a frozen dataclass too
    else:
        new[key] = value
    return new


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _advice(output: object) -> str:
    """Return what a `Place` would say of such an output."""
    if isinstance(output, Tensor):
        return ", or say with Place(..., grid=(height, width)) how tokens lie" * (output.ndim == 3)
    return ", or say with Place(..., pick=) which output" if output is not None else ""
