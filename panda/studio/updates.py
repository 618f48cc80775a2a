"""What all event handlers of the page share: error messages, and the values of components."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from html import escape
from typing import Any

import gradio as gr

from panda.errors import PandaError, describe_error
from panda.progress import Watch
from panda.studio import views
from panda.studio.app import Studio
from panda.studio.exports import command
from panda.studio.session import Session

SKIP: dict[str, Any] = gr.skip()


def shows_errors(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a handler so that errors become messages on the page, which stays as it is."""

    @wraps(handler)
    def run(*arguments: Any, **options: Any) -> Any:
        try:
            return handler(*arguments, **options)
        except Exception as error:  # a plugin may raise anything
            show_error(error)
            return SKIP

    return run


def show_error(error: BaseException) -> None:
    """Show an error as a message on the page."""
    text = str(error) if isinstance(error, PandaError) else describe_error(error)
    gr.Warning(escape(text[:500]), title="That did not work")


def require(session: Session | None) -> Session:
    """Return the session; raise `PandaError` if no generator has been opened yet."""
    if session is None:
        raise PandaError("no generator is open yet; wait a moment, or choose another generator")
    return session


class Updates:
    """Values for the page's components; the user's session is an argument of each call."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    def edited(self, session: Session) -> list[Any]:
        """Return the values of stage, gallery, stack and strength, consistent with each other."""
        with session.lock:
            slider = views.strength(session)
            on = slider.pop("on")
            return [
                self.stage(session),
                self.gallery(session),
                views.stack(session),
                gr.update(**slider, interactive=on),
            ]

    def stage(self, session: Session) -> dict[str, Any]:
        """Return the value of the stage: the image and its overlay."""
        return views.stage(session, self.studio.names(session.canvas))

    def gallery(self, session: Session) -> dict[str, Any]:
        """Return the value of the gallery: the thumbnails of the chosen part made so far."""
        with session.lock:
            canvas, part, refined = session.canvas, session.part, session.refined
            names = self.studio.names(canvas)
            if part is None:
                return views.gallery(session, names, [])
            thumbnails, complete = self.studio.galleries.cached(canvas, part, refined)
            return views.gallery(session, names, thumbnails, busy=not complete)

    def status(self, session: Session) -> list[Any]:
        """Return the status line and the shell command."""
        return [escape(views.status(session)), command(session)]


def progress_watch(progress: gr.Progress | None) -> Watch:
    """Return a callback that shows the steps of progress bars on the page."""

    def watch(what: str, done: int, total: int | None) -> None:
        if progress is not None:
            progress((done, total), desc=what)

    return watch
