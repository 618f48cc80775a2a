"""The stack of edits of a session: an immutable value, and the history of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from panda.editing.edits import Edit
from panda.errors import PandaError


@dataclass(frozen=True)
class Step:
    """One edit of the stack; ``on`` is whether it counts, ``name`` what people call it."""

    edit: Edit
    name: str
    on: bool = True


@dataclass(frozen=True)
class Stack:
    """Steps from first to last, and which one is chosen; every change gives a new stack."""

    steps: tuple[Step, ...] = ()
    chosen: int | None = None

    @property
    def edits(self) -> list[Edit]:
        """The edits that count, in order."""
        return [step.edit for step in self.steps if step.on]

    @property
    def step(self) -> Step | None:
        """The chosen step."""
        return None if self.chosen is None else self.steps[self.chosen]

    def choose(self, index: int) -> Stack:
        """Choose a step; raises `PandaError` where there is none."""
        self._check(index)
        return replace(self, chosen=index)

    def add(self, step: Step) -> Stack:
        """Put a step on top and choose it; one that does the same to the same parts is chosen."""
        for index, other in enumerate(self.steps):
            if _kind(other.edit) == _kind(step.edit):
                return self.choose(index)
        return Stack((*self.steps, step), len(self.steps))

    def set_strength(self, strength: float) -> Stack:
        """Give the chosen step another strength; raises `PandaError` where none is chosen."""
        if self.chosen is None or self.step is None:
            raise PandaError("no edit is chosen; click a part and one of its appearances first")
        return self._put(self.chosen, replace(self.step.edit, strength=strength))

    def toggle(self, index: int) -> Stack:
        """Switch a step off, or on again."""
        self._check(index)
        steps = list(self.steps)
        steps[index] = replace(steps[index], on=not steps[index].on)
        return replace(self, steps=tuple(steps))

    def move(self, index: int, by: int) -> Stack:
        """Move a step up (``by`` is -1) or down in the order, as far as there is room."""
        self._check(index)
        target = min(max(index + by, 0), len(self.steps) - 1)
        order = list(range(len(self.steps)))
        order.insert(target, order.pop(index))
        chosen = None if self.chosen is None else order.index(self.chosen)
        return Stack(tuple(self.steps[k] for k in order), chosen)

    def drop(self, index: int) -> Stack:
        """Take a step out."""
        self._check(index)
        steps = self.steps[:index] + self.steps[index + 1 :]
        chosen = self.chosen
        if chosen == index:
            chosen = None
        elif chosen is not None and chosen > index:
            chosen -= 1
        return Stack(steps, chosen)

    def _put(self, index: int, edit: Edit) -> Stack:
        steps = list(self.steps)
        steps[index] = replace(steps[index], edit=edit)
        return replace(self, steps=tuple(steps))

    def _check(self, index: int) -> None:
        if not 0 <= index < len(self.steps):
            raise PandaError(f"there is no edit {index + 1}; the stack has {len(self.steps)}")


def _kind(edit: Edit) -> tuple[Sequence[int], int | str]:
    return edit.parts, edit.appearance


class History:
    """What a stack was before, for undo and redo.

    Strengths of one step that follow each other, as while a slider is dragged, are one change.
    """

    def __init__(self) -> None:
        self.stack = Stack()
        self._past: list[Stack] = []
        self._future: list[Stack] = []

    def change(self, stack: Stack) -> None:
        """Go on to another stack."""
        if stack.steps != self.stack.steps:
            if not (self._past and _only_strength(self._past[-1], self.stack, stack)):
                self._past.append(self.stack)
            self._future.clear()
        self.stack = stack

    def undo(self) -> bool:
        """Go back by one change; false where there is none."""
        return self._step(self._past, self._future)

    def redo(self) -> bool:
        """Undo an undo; false where there is none."""
        return self._step(self._future, self._past)

    def _step(self, source: list[Stack], other: list[Stack]) -> bool:
        if source:
            other.append(self.stack)
            self.stack = source.pop()
            return True
        return False


def _only_strength(first: Stack, second: Stack, third: Stack) -> bool:
    """Whether two changes in a row were of the strength of the same step."""
    changed = [_changed(one, other) for one, other in ((first, second), (second, third))]
    return changed[0] is not None and changed[0] == changed[1]


def _changed(one: Stack, other: Stack) -> int | None:
    """The one step whose strength alone differs; None where anything else does."""
    if len(one.steps) != len(other.steps):
        return None
    found = [
        k for k, pair in enumerate(zip(one.steps, other.steps, strict=True)) if len({*pair}) > 1
    ]
    if len(found) != 1:
        return None
    before, after = one.steps[found[0]], other.steps[found[0]]
    same = replace(before, edit=replace(before.edit, strength=after.edit.strength)) == after
    return found[0] if same else None
