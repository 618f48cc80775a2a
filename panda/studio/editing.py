"""Event handlers for editing: parts, appearances, the stack, exports, other generators."""

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
from panda.studio.updates import SKIP, Updates, progress_watch, require, show_error, shows_errors


class EditingHandlers(Updates):
    """Handlers of the edits; an error becomes a message, and the session stays as it was."""

    def thumbnails(self, session: Session | None) -> Iterator[Any]:
        """Yield the gallery as the thumbnails of the chosen part are made."""
        yield SKIP  # gradio would clear the gallery if nothing were yielded
        try:
            if session is None or session.part is None:
                return
            canvas, part, refined = session.canvas, session.part, session.refined
            for _ in self.studio.galleries.make(canvas, part, refined):
                if (canvas, part, refined) != (session.canvas, session.part, session.refined):
                    return  # the user has chosen something else
                yield self.gallery(session)
        except Exception as error:
            show_error(error)

    @shows_errors
    def names(self, session: Session | None) -> Any:
        """Name parts and thumbnails by what they show, which may take a moment."""
        if session is None:
            return SKIP
        canvas, part, refined = session.canvas, session.part, session.refined
        context = self.studio.naming_context(canvas)
        if part is not None:
            self.studio.galleries.name(canvas, part, refined, context)
        return self.edited(session)[:2]

    @shows_errors
    def view(self, session: Session | None, view: str) -> Any:
        """Switch the view of the image."""
        require(session).show(view)
        return self.stage(require(session))

    @shows_errors
    def refine(self, session: Session | None, refined: bool) -> Any:
        """Fit the parts to this image, or return to the global ones."""
        require(session).refine(refined)
        return self._after(require(session))

    @shows_errors
    def pick(self, session: Session | None, event: gr.EventData) -> Any:
        """Choose the part under the pointer."""
        require(session).pick(float(event.x), float(event.y))
        return self.edited(require(session))

    @shows_errors
    def choose(self, session: Session | None, event: gr.EventData) -> Any:
        """Choose a part by its number."""
        require(session).choose(int(event.part))
        return self.edited(require(session))

    def _after(self, session: Session) -> list[Any]:
        """Return the values of all components that an edit changes."""
        return [*self.edited(session), command(session)]

    @shows_errors
    def take(self, session: Session | None, event: gr.EventData) -> Any:
        """Add an appearance of the chosen part to the stack."""
        session, appearance = require(session), str(event.appearance)
        session.add(appearance, self._name(session, self._effect(session, appearance)))
        return self._after(session)

    @shows_errors
    def remove(self, session: Session | None) -> Any:
        """Add the removal of the chosen part to the stack."""
        session = require(session)
        session.add(REMOVE, self._name(session, "removed"))
        return self._after(session)

    def _effect(self, session: Session, appearance: str) -> str:
        """Return the strongest effect of an appearance in words, or else the appearance itself."""
        if session.part is not None:
            thumbnails, _ = self.studio.galleries.cached(
                session.canvas, session.part, session.refined
            )
            names = {shown.appearance: shown.name for shown in thumbnails}
            if names.get(appearance, "") not in ("", UNSEEN):
                return names[appearance].split(",")[0]
        return appearance

    def _name(self, session: Session, effect: str) -> str:
        """Return what the stack calls an edit of the chosen part."""
        names = self.studio.names(session.canvas)
        return effect if session.part is None else f"{names[session.part]} · {effect}"

    @shows_errors
    def act(self, session: Session | None, event: gr.EventData) -> Any:
        """Choose, switch, move or delete a step of the stack."""
        session, index = require(session), int(event.index)
        stack = session.stack
        changes = {
            "choose": lambda: stack.choose(index),
            "toggle": lambda: stack.toggle(index),
            "up": lambda: stack.move(index, -1),
            "down": lambda: stack.move(index, 1),
            "drop": lambda: stack.drop(index),
        }
        if event.name not in changes:
            known = ", ".join(changes)
            raise PandaError(f"{event.name!r:.40} is not an action; expected one of {known}")
        session.change(changes[event.name]())
        return self._after(session)

    @shows_errors
    def undo(self, session: Session | None) -> Any:
        """Undo the last change."""
        require(session).undo()
        return self._after(require(session))

    @shows_errors
    def redo(self, session: Session | None) -> Any:
        """Redo the last undone change."""
        require(session).redo()
        return self._after(require(session))

    @shows_errors
    def slide(self, session: Session | None, strength: float) -> Any:
        """Set the strength of the chosen edit."""
        session = require(session)
        session.change(session.stack.set_strength(float(strength)))
        return [self.stage(session), views.stack(session)]

    @shows_errors
    def export_picture(self, session: Session | None) -> Any:
        """Export the edited image as PNG."""
        return _download(export_picture(require(session)))

    @shows_errors
    def export_edit(self, session: Session | None) -> Any:
        """Export the edits as JSON."""
        return _download(export_edit(require(session)))

    @shows_errors
    def export_webp(
        self,
        session: Session | None,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Any:
        """Export a sweep of the chosen strength as WebP."""
        return _download(export_sweep(require(session), "webp", _sweep(progress)))

    @shows_errors
    def export_gif(
        self,
        session: Session | None,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Any:
        """Export a sweep of the chosen strength as GIF."""
        return _download(export_sweep(require(session), "gif", _sweep(progress)))

    def compare(
        self,
        session: Session | None,
        names: Sequence[str],
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Iterator[Any]:
        """Yield the edits in other generators side by side, as each panel is made."""
        panels: list[Any] = []
        try:
            if not names:
                raise PandaError("no generator is chosen to compare with; tick at least one")
            comparison = self.studio.compare(require(session), names)
            while True:
                # No yield inside the block: other code runs until the next step.
                with watched(progress_watch(progress)):
                    panel = next(comparison, None)
                if panel is None:
                    return
                panels.append(panel)
                yield views.panels(panels)
        except Exception as error:
            show_error(error)
            yield SKIP


def _sweep(progress: gr.Progress) -> Callable[[float], None]:
    """Return a callback that shows the progress of a sweep."""
    return lambda fraction: progress(fraction, desc="sweep")


def _download(export: Export) -> dict[str, str]:
    """Return the value that makes the browser save a file."""
    data = base64.b64encode(export.data).decode()
    # The key makes every value new: gradio sends only values that changed.
    return {"name": export.name, "kind": export.kind, "data": data, "key": str(time.monotonic_ns())}
