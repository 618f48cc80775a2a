"""`walk`: images on the way between samples, and along the strengths of edits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

from torch import Tensor

from panda.checkpoints.digest import digest_of
from panda.editing.apply import edit_state
from panda.editing.edits import Edit, Edits, factors_for, listed
from panda.editing.natural import resume
from panda.errors import PandaError
from panda.factorization.factors import Factors
from panda.generators.contract import Generator, Latents, State
from panda.walks.between import between
from panda.walks.course import EASINGS, Course
from panda.walks.stops import Stop, find_stops
from panda.walks.sweeps import Sweep, find_sweeps, first_strengths


class Walk:
    """The images of a walk, which are made when they are asked for: ``for image in walk``.

    ``len(walk)`` is their number, and ``walk[5]`` the sixth one, ``[channels, H, W]`` in about
    [-1, 1].

    Args:
        generator: The generator.
        stops: One sample for each stop.
        sweeps: Edits along the way.
        course: The times of the frames.
        factors: What the edits count; None where there are none.

    Attributes:
        course: The times of the frames.
    """

    def __init__(
        self,
        generator: Generator,
        stops: list[Latents],
        sweeps: list[Sweep],
        course: Course,
        factors: Factors | None,
    ) -> None:
        self.course = course
        self._generator, self._stops, self._sweeps = generator, stops, sweeps
        self._factors = factors

    def __len__(self) -> int:
        return self.course.frames

    def __getitem__(self, frame: int) -> Tensor:
        if not -len(self) <= frame < len(self):
            raise IndexError(f"frame {frame} of a walk of {len(self)}")
        frame %= len(self)
        latents, edits = self.latents(frame), self.edits(frame)
        if self._factors is None:
            return self._generator.forward(latents)[0]
        layer = self._factors.layer.name
        still = len(self._stops) == 1
        state = self._still if still else self._generator.head(latents, layer)
        edited = edit_state(self._generator, self._factors, latents, state, edits)
        return resume(self._generator, *edited, names=[f"frame {frame}"])[0]

    def __iter__(self) -> Iterator[Tensor]:
        return (self[frame] for frame in range(len(self)))

    def __repr__(self) -> str:
        ways = [*(f"seed {s.seeds[0]}" for s in self._stops), *(s.text for s in self._sweeps)]
        more = ", ..." if ways[6:] else ""
        return (
            f"<Walk of {len(self)} frames by {self._generator.name}: {', '.join(ways[:6])}{more}>"
        )

    def latents(self, frame: int) -> Latents:
        """Return the sample of a frame, before edits."""
        start, end, share = self.course.place(frame, len(self._stops))
        return between(self._generator, self._stops[start], self._stops[end], share)

    def edits(self, frame: int) -> list[Edit]:
        """Return the edits of a frame."""
        return [edit for sweep in self._sweeps for edit in sweep.at(self.course, frame)]

    @cached_property
    def settings(self) -> dict[str, Any]:
        """All that the images depend on, as JSON takes it; equal ones make the same images."""
        factors = self._factors
        return {
            "generator": self._generator.name,
            "weights_sha256": self._generator.digest,
            "stops_sha256": [digest_of(stop.tensors) for stop in self._stops],
            "edits": [[sweep.text, [str(edit) for edit in sweep.edits]] for sweep in self._sweeps],
            "files_sha256": {k: v for sweep in self._sweeps for k, v in sweep.files().items()},
            "factors_sha256": factors
            and digest_of({"appearances": factors.appearances, "parts": factors.parts}),
            "frames": self.course.frames,
            "loop": self.course.loop,
            "easing": self.course.easing,
        }

    @cached_property
    def _still(self) -> State:
        """The state at the factors' layer of a walk with a single stop."""
        assert self._factors is not None
        return self._generator.head(self._stops[0], self._factors.layer.name)


def walk(
    generator: Generator,
    stops: Stop | Iterable[Stop],
    *,
    frames: int | None = None,
    edits: Edits = (),
    factors: Factors | None = None,
    loop: bool = False,
    easing: str = EASINGS[0],
    truncation: Any = None,
    label: Any = None,
) -> Walk:
    """Return the images on the way from stop to stop, and along the strengths of edits.

    Args:
        generator: The generator.
        stops: One or several, at equal times from each other: seeds, photographs of an inversion
            as ``"me/photo0"``, or `Latents`.
        frames: How many images there are; by default 24 from each stop, or strength, to the next.
        edits: What is done to all of them: an edit, or text such as ``"0:p0:4sd"``; with several
            strengths as in ``"smile:-1..2"`` or ``"all:me/photo0:0..1..0"`` it runs through these,
            which are at equal times from each other too.
        factors: What the edits count; None for those that an edit by name is for.
        loop: Whether the way leads back to the first stop and the first strengths; the last image
            is one before it.
        easing: ``"smooth"``, slowly away from a stop and slowly to the next, or ``"linear"``.
        truncation: Of seeds; see `Generator.sample`.
        label: The class or text of seeds, or one for each.

    Raises:
        PandaError: Where a stop, an edit or an option is none, the edits are for another
            generator, or nothing would move.
    """
    if not isinstance(generator, Generator):
        raise PandaError(
            f"{generator!r:.60} is no generator; create_generator(NAME) returns the one of a name"
        )
    given = listed(edits)
    if given and factors is None:
        factors = factors_for(first_strengths(given), generator)
    samples = find_stops(generator, stops, truncation, label)
    sweeps: list[Sweep] = []
    if given and factors is not None:
        factors.check(generator)
        sweeps = find_sweeps(given, factors)
        for sweep in sweeps:
            sweep.check(generator, factors)
    most = max(len(samples), *(len(sweep.times) for sweep in sweeps), 1)
    if most == 1:
        raise PandaError(
            "a walk with one stop stands still; give more, or an edit with several strengths such"
            " as smile:-1..2"
        )
    legs = most if loop else most - 1
    course = Course.of(frames, legs, loop, easing)
    return Walk(generator, samples, sweeps, course, factors if sweeps else None)
