"""Events that edit: parts, appearances, the stack, exports, and other generators beside."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gradio as gr

from panda.editing.edits import REMOVE
from panda.errors import PandaError
from panda.naming.effects import UNSEEN
from panda.progress import watched
from panda.studio import views
from panda.studio.exports import Export, command, export_edit, export_picture, export_sweep
from panda.studio.session import Session
from panda.studio.updates import SKIP, Updates, guarded, ready, say, watch_with


class Editing(Updates):
    """The handlers; whatever goes wrong is a message, and the session stays as it was."""

    def thumbnails(self, session: Session | None) -> Iterator[Any]:
        """Make the thumbnails of the chosen part, and show each as soon as it is there."""
        yield SKIP  # gradio takes a generator that yields nothing for one that gives nothing
        try:
            if session is None or session.part is None:
                return
            canvas, part, refined = session.canvas, session.part, session.refined
            for found in self.studio.thumbnails(canvas, part, refined):
                if (canvas, part, refined) != (session.canvas, session.part, session.refined):
                    return  # the user went on
                names = self.studio.names(canvas)
                yield views.gallery(session, names, found)
        except Exception as error:
            say(error)

    @guarded
    def names(self, session: Session | None) -> Any:
        """Name parts and thumbnails by what is to be seen, which may take a moment."""
        if session is None:
            return SKIP
        self.studio.guide(session.canvas)
        if session.part is not None:
            self.studio.name(session.canvas, session.part, session.refined)
        return self.edited(session)[:2]

    @guarded
    def view(self, session: Session | None, view: str) -> Any:
        """Show the stage in another way."""
        ready(session).show(view)
        return self.stage(ready(session))

    @guarded
    def refine(self, session: Session | None, refined: bool) -> Any:
        """Fit the parts to this image, or take the global ones again."""
        ready(session).refine(refined)
        return self._after(ready(session))

    @guarded
    def pick(self, session: Session | None, event: gr.EventData) -> Any:
        """Choose the part under the pointer."""
        ready(session).pick(float(event.x), float(event.y))
        return self.edited(ready(session))

    @guarded
    def choose(self, session: Session | None, event: gr.EventData) -> Any:
        """Choose a part by its number."""
        ready(session).choose(int(event.part))
        return self.edited(ready(session))

    def _after(self, session: Session) -> list[Any]:
        return [*self.edited(session), command(session)]

    @guarded
    def take(self, session: Session | None, event: gr.EventData) -> Any:
        """Put an appearance of the chosen part on the stack."""
        session, appearance = ready(session), str(event.appearance)
        session.add(appearance, self._name(session, self._effect(session, appearance)))
        return self._after(session)

    @guarded
    def remove(self, session: Session | None) -> Any:
        """Put the removal of the chosen part on the stack."""
        session = ready(session)
        session.add(REMOVE, self._name(session, "removed"))
        return self._after(session)

    def _effect(self, session: Session, appearance: str) -> str:
        """The strongest effect of an appearance in words, or its number."""
        if session.part is not None:
            found = self.studio.known(session.canvas, session.part, session.refined) or []
            names = {one.appearance: one.name for one in found if one.name not in ("", UNSEEN)}
            return names.get(appearance, appearance).split(",")[0]
        return appearance

    def _name(self, session: Session, what: str) -> str:
        names = self.studio.names(session.canvas)
        return what if session.part is None else f"{names[session.part]} · {what}"

    @guarded
    def act(self, session: Session | None, event: gr.EventData) -> Any:
        """What is done to a row of the stack."""
        session, index = ready(session), int(event.index)
        stack = session.stack
        changes = {
            "choose": lambda: stack.choose(index),
            "toggle": lambda: stack.toggle(index),
            "up": lambda: stack.move(index, -1),
            "down": lambda: stack.move(index, 1),
            "drop": lambda: stack.drop(index),
        }
        if event.name not in changes:
            raise PandaError(f"{event.name!r:.40} is nothing that can be done to an edit")
        session.change(changes[event.name]())
        return self._after(session)

    @guarded
    def undo(self, session: Session | None) -> Any:
        """Take the last change back."""
        ready(session).undo()
        return self._after(ready(session))

    @guarded
    def redo(self, session: Session | None) -> Any:
        """Make it again."""
        ready(session).redo()
        return self._after(ready(session))

    @guarded
    def slide(self, session: Session | None, strength: float) -> Any:
        """Give the chosen edit another strength."""
        session = ready(session)
        session.change(session.stack.set_strength(float(strength)))
        return [self.stage(session), views.stack(session)]

    @guarded
    def export_picture(self, session: Session | None) -> Any:
        """The edited image as PNG."""
        return _handed(export_picture(ready(session)))

    @guarded
    def export_edit(self, session: Session | None) -> Any:
        """The edits as JSON."""
        return _handed(export_edit(ready(session)))

    @guarded
    def export_webp(
        self,
        session: Session | None,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Any:
        """The sweep of a strength as WebP."""
        return _handed(export_sweep(ready(session), "webp", _sweep(progress)))

    @guarded
    def export_gif(
        self,
        session: Session | None,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Any:
        """The sweep of a strength as GIF."""
        return _handed(export_sweep(ready(session), "gif", _sweep(progress)))

    def compare(
        self,
        session: Session | None,
        names: Sequence[str],
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Iterator[Any]:
        """The same edits in other generators, one after the other."""
        found: list[Any] = []
        try:
            if not names:
                raise PandaError("no generator is chosen to compare with")
            sides = self.studio.compare(ready(session), names)
            while True:
                with watched(watch_with(progress)):  # not across a yield: others run in between
                    side = next(sides, None)
                if side is None:
                    return
                found.append(side)
                yield views.sides(found)
        except Exception as error:
            say(error)
            yield SKIP


def _sweep(progress: gr.Progress) -> Callable[[float], None]:
    return lambda share: progress(share, desc="sweep")


def _handed(export: Export) -> dict[str, str]:
    data = base64.b64encode(export.data).decode()
    # The same file once more is another value, or the browser would not be told.
    return {"name": export.name, "kind": export.kind, "data": data, "key": str(time.monotonic_ns())}
