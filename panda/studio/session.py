"""The session of one user: an image, its parts, and a stack of edits."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from panda.editing.apply import apply_edits
from panda.editing.edits import REMOVE, Edit
from panda.editing.localize import localize
from panda.editing.natural import resume
from panda.editing.refine import refine
from panda.editing.syntax import STRENGTH
from panda.errors import PandaError, nearest
from panda.factorization.factors import Factors
from panda.generators.contract import Generator, Latents, State
from panda.generators.labels import Label
from panda.shapes import within
from panda.studio.stack import History, Stack, Step

LABELS = 256
"""The longer side of the map of parts that clicks are looked up in."""

SIGMAS = 4.0
"""Initial strength of an added appearance, in standard deviations."""

PIXELS = 2**20
"""Pixels of all images in one batch, at most: calls stay short, since another session may wait."""

VIEWS = ("Edited", "Before / after", "Difference", "Heat map", "Parts")
"""Views of the image."""


class Canvas:
    """An image of a generator with its state at the layer of some factors; edits run the tail only.

    Args:
        generator: The generator.
        factors: Factors of one of its layers.
        latents: One latent, of a seed or of an inverted photograph.
        folder: Where the factors were loaded from, if they were.

    Raises:
        PandaError: If the factors are of another generator, or there is not exactly one latent.
    """

    def __init__(
        self,
        generator: Generator,
        factors: Factors,
        latents: Latents,
        folder: Path | None = None,
    ) -> None:
        factors.check(generator)
        if len(latents) != 1:
            raise PandaError(f"{len(latents)} latents were given; the studio edits one image")
        self.generator, self.latents, self.folder = generator, latents, folder
        self.factors = factors.to(generator.device)
        self._states: dict[int, State] = {}

    def state(self, count: int = 1) -> State:
        """Return the state at the layer, repeated ``count`` times."""
        if count not in self._states:
            latents = self.latents[[0] * count]
            self._states[count] = self.generator.head(latents, self.factors.layer.name)
        return self._states[count]

    @property
    def batch(self) -> int:
        """Images that are made at once."""
        return max(1, PIXELS // math.prod(self.generator.size))

    @cached_property
    def before(self) -> Tensor:
        """The image ``[1, channels, H, W]`` without edits."""
        return self.images([[]])

    @cached_property
    def refined(self) -> Tensor:
        """The parts ``[1, S, R_S]`` fitted to this image."""
        return refine(self.factors, self.state().x)

    def masks(self, refined: bool) -> Tensor:
        """Return the parts as maps ``[R_S, h, w]`` of the image in [0, 1]."""
        return self.factors.as_masks(self.refined)[0] if refined else self.factors.masks

    def images(self, stacks: list[list[Edit]], refined: bool = False) -> Tensor:
        """Return all images ``[N, channels, H, W]`` of `batches`."""
        return torch.cat(list(self.batches(stacks, refined)))

    def batches(self, stacks: list[list[Edit]], refined: bool = False) -> Iterator[Tensor]:
        """Yield the edited images ``[B, channels, H, W]``, in batches of at most `PIXELS` pixels.

        Args:
            stacks: N lists of edits; each gives one image.
            refined: Whether to edit with the parts that are fitted to this image.

        Raises:
            PandaError: If an edit is out of range or an image comes out NaN.
        """
        size = self.batch
        parts = self.refined if refined else None
        for start in range(0, len(stacks), size):
            batch = stacks[start : start + size]
            x = self.state().x
            edited = (
                apply_edits(self.factors, x, edits, parts, generator=self.generator)
                for edits in batch
            )
            features = torch.cat(list(edited))
            state = self.state(len(batch)).with_features(features)
            yield resume(self.generator, state, self.factors.layer.name)

    def heat(self, edit: Edit | None) -> Tensor:
        """Return the concept map ``[H, W]`` of the edit's appearance, or of the background.

        Where no background was found, the strongest appearance takes its place.
        """
        appearance, part = "bg" if self.factors.has_background else "0", None
        if edit is not None and edit.appearance != REMOVE:
            appearance, part = str(edit.appearance), edit.parts[0]
        return localize(self.factors, self.state().x, appearance, part=part)[0][0]


@dataclass(frozen=True)
class Origin:
    """Where an image comes from.

    Attributes:
        seed: The seed of a sample, or None for a photograph.
        truncation: The truncation psi of the sample.
        label: The class of the sample.
        name: The file name of the photograph.
        note: What the status line adds.
    """

    seed: int | None = None
    truncation: float = 1.0
    label: Label | None = None
    name: str = ""
    note: str = ""

    def __str__(self) -> str:
        """Return a short name, such as ``"seed-3"``."""
        return self.name or f"seed-{self.seed}"


class Session:
    """The state of one user's work. Every method takes the lock, since events run in threads.

    Attributes:
        canvas: The image and its factors.
        origin: Where the image comes from.
        part: The index of the chosen part, or None.
        refined: Whether the parts are fitted to this image.
        view: The view of the image, one of `VIEWS`.
        lock: Guards all of these.
    """

    def __init__(self, canvas: Canvas, origin: Origin) -> None:
        self.lock = threading.RLock()
        self.part: int | None = None
        self.refined = False
        self.view = VIEWS[0]
        self._history = History()
        self._waiting: dict[object, tuple[Factors, History]] = {}
        self._after: tuple[object, Tensor] | None = None
        self.canvas, self.origin = canvas, origin

    def replace_image(self, canvas: Canvas, origin: Origin) -> None:
        """Continue with another image.

        The edits stay unless the factors change, whose parts they count. They wait then, and are
        back with their factors.
        """
        with self.lock:
            factors = self.canvas.factors
            if key_of(canvas.factors) != key_of(factors):
                self._waiting[key_of(factors)] = factors, self._history
                _, self._history = self._waiting.pop(key_of(canvas.factors), (None, History()))
                self.part = None
            self.canvas, self.origin = canvas, origin

    @property
    def waiting(self) -> list[tuple[Factors, int]]:
        """The other factors that have edits, and how many."""
        with self.lock:
            others = [(each, len(history.stack.steps)) for each, history in self._waiting.values()]
        return [(factors, edits) for factors, edits in others if edits]

    @property
    def stack(self) -> Stack:
        """The stack of edits."""
        return self._history.stack

    @property
    def after(self) -> Tensor:
        """The image ``[1, channels, H, W]`` after the active edits."""
        with self.lock:
            if not self.stack.edits:
                return self.canvas.before
            key = (self.canvas, tuple(self.stack.edits), self.refined)
            if self._after is None or self._after[0] != key:
                self._after = key, self.canvas.images([self.stack.edits], self.refined)
            return self._after[1]

    @property
    def labels(self) -> Tensor:
        """The index of the strongest part at each place, ``[h, w]`` uint8, as wide as `LABELS`."""
        with self.lock:
            masks, size = self.canvas.masks(self.refined), self.canvas.generator.size
        wanted = within(size, LABELS)
        large = F.interpolate(masks[None].float(), wanted, mode="bicubic", align_corners=False)
        return large[0].argmax(0).to(torch.uint8).cpu()

    def pick(self, x: float, y: float) -> int:
        """Choose and return the strongest part at a place, in fractions of width and height."""
        with self.lock:
            labels = self.labels
            places = zip((y, x), labels.shape, strict=True)
            row, column = (min(max(int(v * side), 0), side - 1) for v, side in places)
            return self.choose(int(labels[row, column]))

    def choose(self, part: int) -> int:
        """Choose and return a part; raise `PandaError` if it does not exist."""
        with self.lock:
            count = self.canvas.factors.parts.shape[1]
            if not 0 <= part < count:
                raise PandaError(f"there is no part {part}; there are 0 to {count - 1}")
            self.part = part
            return part

    def show(self, view: str) -> None:
        """Switch to one of the `VIEWS`; raise `PandaError` for any other name."""
        if view not in VIEWS:
            raise PandaError(f"there is no view {view!r:.40}{nearest(view, VIEWS)}")
        self.view = view

    def refine(self, refined: bool) -> None:
        """Fit the parts to this image, or return to the global ones."""
        with self.lock:
            self.refined = refined

    def add(self, appearance: str, name: str) -> None:
        """Add an appearance of the chosen part, or its removal, to the stack.

        Args:
            appearance: An appearance such as ``"p0"``, or `REMOVE`.
            name: What the stack calls the edit.

        Raises:
            PandaError: If no part is chosen, or the appearance does not exist.
        """
        with self.lock:
            if self.part is None:
                raise PandaError("no part is chosen; click the image where you want to change it")
            sigma = appearance != REMOVE
            edit = Edit((self.part,), appearance, SIGMAS if sigma else STRENGTH, sigma)
            edit.check(self.canvas.factors)
            self._history.change(self.stack.add(Step(edit, name)))

    def change(self, stack: Stack) -> None:
        """Replace the stack with a changed one."""
        with self.lock:
            self._history.change(stack)

    def undo(self) -> None:
        """Undo the last change of the stack; raise `PandaError` if there is none."""
        with self.lock:
            if not self._history.undo():
                raise PandaError("there is nothing to undo")

    def redo(self) -> None:
        """Redo the last undone change; raise `PandaError` if there is none."""
        with self.lock:
            if not self._history.redo():
                raise PandaError("there is nothing to redo")


def key_of(factors: Factors) -> tuple[str, str, int]:
    """Return what factors share whose parts are the same, so that edits of one are of the other."""
    return factors.generator, factors.layer.name, hash(factors.parts.cpu().numpy().tobytes())
