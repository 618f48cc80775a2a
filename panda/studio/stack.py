"""The stack of edits of a session, as an immutable value, and its history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from panda.editing.edits import Edit
from panda.errors import PandaError


@dataclass(frozen=True)
class Step:
    """An edit of the stack.

    Attributes:
        edit: The edit.
        name: What the page calls it.
        on: Whether it is active.
    """

    edit: Edit
    name: str
    on: bool = True


@dataclass(frozen=True)
class Stack:
    """Steps in the order in which they apply; every method that changes it returns a new stack.

    Attributes:
        steps: The steps, first to last.
        chosen: The index of the chosen step, or None.
    """

    steps: tuple[Step, ...] = ()
    chosen: int | None = None

    @property
    def edits(self) -> list[Edit]:
        """The active edits, in order."""
        return [step.edit for step in self.steps if step.on]

    @property
    def step(self) -> Step | None:
        """The chosen step, or None."""
        return None if self.chosen is None else self.steps[self.chosen]

    def choose(self, index: int) -> Stack:
        """Choose a step; raise `PandaError` if it does not exist."""
        self._check(index)
        return replace(self, chosen=index)

    def add(self, step: Step) -> Stack:
        """Append a step, unless one has its parts and appearance already; choose either."""
        for index, other in enumerate(self.steps):
            if _kind(other.edit) == _kind(step.edit):
                return self.choose(index)
        return Stack((*self.steps, step), len(self.steps))

    def set_strength(self, strength: float) -> Stack:
        """Set the strength of the chosen step; raise `PandaError` if none is chosen."""
        if self.chosen is None or self.step is None:
            raise PandaError("no edit is chosen; click a part and one of its appearances first")
        return self._replace_edit(self.chosen, replace(self.step.edit, strength=strength))

    def toggle(self, index: int) -> Stack:
        """Switch a step off or on; raise `PandaError` if it does not exist."""
        self._check(index)
        steps = list(self.steps)
        steps[index] = replace(steps[index], on=not steps[index].on)
        return replace(self, steps=tuple(steps))

    def move(self, index: int, by: int) -> Stack:
        """Move a step by a number of places, up (negative) or down, as far as the list goes.

        Raises:
            PandaError: If the step does not exist.
        """
        self._check(index)
        target = min(max(index + by, 0), len(self.steps) - 1)
        order = list(range(len(self.steps)))
        order.insert(target, order.pop(index))
        chosen = None if self.chosen is None else order.index(self.chosen)
        return Stack(tuple(self.steps[k] for k in order), chosen)

    def drop(self, index: int) -> Stack:
        """Delete a step; raise `PandaError` if it does not exist."""
        self._check(index)
        steps = self.steps[:index] + self.steps[index + 1 :]
        chosen = self.chosen
        if chosen == index:
            chosen = None
        elif chosen is not None and chosen > index:
            chosen -= 1
        return Stack(steps, chosen)

    def _replace_edit(self, index: int, edit: Edit) -> Stack:
        """Return the stack with another edit at an index."""
        steps = list(self.steps)
        steps[index] = replace(steps[index], edit=edit)
        return replace(self, steps=tuple(steps))

    def _check(self, index: int) -> None:
        """Raise `PandaError` for an index out of range."""
        if not 0 <= index < len(self.steps):
            raise PandaError(f"there is no edit {index + 1}; the stack has {len(self.steps)}")


def _kind(edit: Edit) -> tuple[Sequence[int], int | str]:
    """Return what a stack has only once: parts and appearance."""
    return edit.parts, edit.appearance


class History:
    """The earlier and the undone versions of a stack.

    Consecutive changes of one strength, as a dragged slider makes them, count as one change.
    """

    def __init__(self) -> None:
        self.stack = Stack()
        self._past: list[Stack] = []
        self._future: list[Stack] = []

    def change(self, stack: Stack) -> None:
        """Continue with another stack; what was undone is forgotten."""
        if stack.steps != self.stack.steps:
            if not (self._past and _only_strength(self._past[-1], self.stack, stack)):
                self._past.append(self.stack)
            self._future.clear()
        self.stack = stack

    def undo(self) -> bool:
        """Undo one change; return False if there is none."""
        return self._step(self._past, self._future)

    def redo(self) -> bool:
        """Redo one change; return False if there is none."""
        return self._step(self._future, self._past)

    def _step(self, source: list[Stack], target: list[Stack]) -> bool:
        """Take the stack from one list and put the current one on the other."""
        if source:
            target.append(self.stack)
            self.stack = source.pop()
            return True
        return False


def _only_strength(first: Stack, second: Stack, third: Stack) -> bool:
    """Return whether both changes were of the strength of the same step."""
    index = _strength_index(first, second)
    return index is not None and index == _strength_index(second, third)


def _strength_index(before: Stack, after: Stack) -> int | None:
    """Return the index of the step whose strength is the only difference, or None."""
    if len(before.steps) != len(after.steps):
        return None
    pairs = list(zip(before.steps, after.steps, strict=True))
    changed = [index for index, (old, new) in enumerate(pairs) if old != new]
    if len(changed) != 1:
        return None
    old, new = pairs[changed[0]]
    same = replace(old, edit=replace(old.edit, strength=new.edit.strength)) == new
    return changed[0] if same else None
