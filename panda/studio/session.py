"""What one user of the studio has before him: an image, its parts, and a stack of edits."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from panda.editing.edits import REMOVE, Edit, apply_edits, refine
from panda.editing.localize import localize
from panda.editing.remove import STRENGTH
from panda.errors import PandaError, nearest
from panda.factorization.factors import Factors
from panda.generators.contract import Generator, Latents, State, on_canvas
from panda.studio.stack import History, Stack, Step

LABELS = 256
"""Positions from side to side of the map that says which part is where."""

SIGMAS = 4.0
"""An appearance is added at so many standard deviations."""

PIXELS = 2**20
"""Images that are made at once have up to so many pixels together, so that no call of a generator
takes long: another one may be waiting for it."""


VIEWS = ("Edited", "Before / after", "Difference", "Heat map", "Parts")
"""How the stage can be shown."""


class Canvas:
    """One image of a generator, stopped at the layer of some factors; edits run the tail alone.

    ``latents`` are of one row, wherever they come from: a seed, or the inversion of a photograph.
    Raises `PandaError` where the factors are not of the generator.
    """

    def __init__(self, generator: Generator, factors: Factors, latents: Latents) -> None:
        factors.check(generator)
        if len(latents) != 1:
            raise PandaError(f"{len(latents)} latents were given; the studio edits one image")
        self.generator, self.latents = generator, latents
        self.factors = factors.to(generator.device)
        self._states: dict[int, State] = {}

    def state(self, count: int = 1) -> State:
        """The state at the layer, ``count`` times the same."""
        if count not in self._states:
            rows = {k: v.repeat_interleave(count, 0) for k, v in self.latents.tensors.items()}
            latents = Latents(self.latents.seeds * count, rows)
            self._states[count] = self.generator.head(latents, self.factors.layer.name)
        return self._states[count]

    @cached_property
    def before(self) -> Tensor:
        """The image ``[1, 3, R, R]`` without edits."""
        return self.images([[]])

    @cached_property
    def refined(self) -> Tensor:
        """The parts ``[1, S, R_S]`` fitted to this image."""
        return refine(self.factors, self.state().x)

    def masks(self, refined: bool) -> Tensor:
        """The parts as maps ``[R_S, H, W]`` in [0, 1], margins included."""
        return self.factors.as_masks(self.refined)[0] if refined else self.factors.masks

    def images(self, stacks: list[list[Edit]], refined: bool = False) -> Tensor:
        """The image ``[N, 3, R, R]`` after each of some lists of edits, full resolution."""
        return torch.cat(list(self.batches(stacks, refined)))

    def batches(self, stacks: list[list[Edit]], refined: bool = False) -> Iterator[Tensor]:
        """The same, as many at once as `PIXELS` allows.

        Raises `PandaError` where an edit is out of range or an image comes out NaN.
        """
        layer = self.factors.layer.name
        size = max(1, PIXELS // self.generator.resolution**2)
        parts = self.refined if refined else None
        for start in range(0, len(stacks), size):
            some = stacks[start : start + size]
            x = self.state().x
            rows = torch.cat([apply_edits(self.factors, x, edits, parts) for edits in some])
            state = self.state(len(some)).with_features(rows)
            images = self.generator.tail(state, layer)
            if not bool(torch.isfinite(images).all()):
                raise PandaError("the image came out NaN; the strength is too large")
            yield images

    def heat(self, edit: Edit | None) -> Tensor:
        """The concept map ``[H, W]`` of an edit's appearance; that of background without one."""
        appearance, part = "bg", None
        if edit is not None and edit.appearance != REMOVE:
            appearance, part = str(edit.appearance), edit.parts[0]
        return localize(self.factors, self.state().x, appearance, part=part)[0][0]


@dataclass(frozen=True)
class Origin:
    """Where an image comes from: a seed with its truncation and class, or something with a name."""

    seed: int | None = None
    truncation: float = 1.0
    label: int | None = None
    name: str = ""
    note: str = ""

    def __str__(self) -> str:
        """A short name, such as ``"seed-3"``."""
        return self.name or f"seed-{self.seed}"


class Session:
    """What one user does; every method holds the session's lock, so that events come in any order.

    ``part`` is the part that is chosen, ``refined`` whether parts are fitted to this image, and
    ``view`` how the stage is shown.
    """

    def __init__(self, canvas: Canvas, origin: Origin) -> None:
        self.lock = threading.RLock()
        self.part: int | None = None
        self.refined = False
        self.view = VIEWS[0]
        self._history = History()
        self._after: tuple[object, Tensor] | None = None
        self.canvas, self.origin = canvas, origin

    def put(self, canvas: Canvas, origin: Origin) -> None:
        """Take another image, which ``origin`` tells; edits stay where the factors do."""
        with self.lock:
            if _other(self.canvas.factors, canvas.factors):
                self._history, self.part = History(), None
            self.canvas, self.origin = canvas, origin

    @property
    def stack(self) -> Stack:
        """The stack of edits."""
        return self._history.stack

    @property
    def after(self) -> Tensor:
        """The image ``[1, 3, R, R]`` after the edits that count."""
        with self.lock:
            if not self.stack.edits:
                return self.canvas.before
            key = (self.canvas, tuple(self.stack.edits), self.refined)
            if self._after is None or self._after[0] != key:
                self._after = key, self.canvas.images([self.stack.edits], self.refined)
            return self._after[1]

    @property
    def labels(self) -> Tensor:
        """Which part weighs most at each place of the image, ``[LABELS, LABELS]`` uint8."""
        with self.lock:
            masks = on_canvas(self.canvas.masks(self.refined), self.canvas.factors.layer)
        large = F.interpolate(
            masks[None].float(), (LABELS, LABELS), mode="bicubic", align_corners=False
        )
        return large[0].argmax(0).to(torch.uint8).cpu()

    def pick(self, x: float, y: float) -> int:
        """Choose the part that weighs most at a place, in shares of width and height."""
        with self.lock:
            row, column = (min(max(int(v * LABELS), 0), LABELS - 1) for v in (y, x))
            return self.choose(int(self.labels[row, column]))

    def choose(self, part: int) -> int:
        """Choose a part; raises `PandaError` where there is none."""
        with self.lock:
            count = self.canvas.factors.parts.shape[1]
            if not 0 <= part < count:
                raise PandaError(f"there is no part {part}; there are 0 to {count - 1}")
            self.part = part
            return part

    def show(self, view: str) -> None:
        """Show the stage in another of the `VIEWS`; raises `PandaError` for one that is none."""
        if view not in VIEWS:
            raise PandaError(f"there is no view {view!r:.40}{nearest(view, VIEWS)}")
        self.view = view

    def refine(self, refined: bool) -> None:
        """Fit the parts to this image, or go back to the global ones."""
        with self.lock:
            self.refined = refined

    def add(self, appearance: str, name: str) -> None:
        """Put an appearance of the chosen part, or its removal, on the stack."""
        with self.lock:
            if self.part is None:
                raise PandaError("no part is chosen; click the image where you want to change it")
            sigma = appearance != REMOVE
            edit = Edit((self.part,), appearance, SIGMAS if sigma else STRENGTH, sigma)
            edit.check(self.canvas.factors)
            self._history.change(self.stack.add(Step(edit, name)))

    def change(self, stack: Stack) -> None:
        """Replace the stack by one that was made from it."""
        with self.lock:
            self._history.change(stack)

    def undo(self) -> None:
        """Take the last change of the stack back."""
        with self.lock:
            if not self._history.undo():
                raise PandaError("there is nothing to undo")

    def redo(self) -> None:
        """Make a change again that was taken back."""
        with self.lock:
            if not self._history.redo():
                raise PandaError("there is nothing to redo")


def _other(one: Factors, other: Factors) -> bool:
    same = one.generator == other.generator and one.layer == other.layer
    return not (same and torch.equal(one.parts, other.parts))
