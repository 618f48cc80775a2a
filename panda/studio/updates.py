"""What every event of the page shares: messages, and updates of what changed."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from html import escape
from typing import Any

import gradio as gr

from panda.errors import PandaError, describe_error
from panda.progress import Watch
from panda.studio import views
from panda.studio.actions import Studio
from panda.studio.exports import command
from panda.studio.session import Session

SKIP: dict[str, Any] = gr.skip()


def guarded(handler: Callable[..., Any]) -> Callable[..., Any]:
    """A handler whose errors are messages; nothing is updated then."""

    @wraps(handler)
    def run(*arguments: Any, **options: Any) -> Any:
        try:
            return handler(*arguments, **options)
        except Exception as error:  # a backend may fail in any way at all
            say(error)
            return SKIP

    return run


def say(error: BaseException) -> None:
    """Show what went wrong, in one sentence."""
    text = str(error) if isinstance(error, PandaError) else describe_error(error)
    gr.Warning(escape(text[:500]), title="That did not work")


def ready(session: Session | None) -> Session:
    """The session; raises `PandaError` where the first generator has not been opened yet."""
    if session is None:
        raise PandaError("no generator is open yet; wait a moment, or choose another one")
    return session


class Updates:
    """Values for the page's components; a user's own things come in with each call."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    def edited(self, session: Session) -> list[Any]:
        """Stage, gallery, stack and strength, all of one moment."""
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
        """The image and what lies over it."""
        return views.stage(session, self.studio.names(session.canvas))

    def gallery(self, session: Session) -> dict[str, Any]:
        """The appearances of the chosen part, as far as they are known."""
        names = self.studio.names(session.canvas)
        if session.part is None:
            return views.gallery(session, names, [])
        which = session.canvas, session.part, session.refined
        found = self.studio.known(*which) or []
        return views.gallery(session, names, found, busy=not self.studio.complete(*which))

    def status(self, session: Session) -> list[Any]:
        """Status line and command line."""
        return [escape(views.status(session)), command(session)]


def watch_with(progress: gr.Progress | None) -> Watch:
    """What shows the steps of bars in the page."""

    def watch(what: str, done: int, total: int | None) -> None:
        if progress is not None:
            progress((done, total), desc=what)

    return watch
