"""What each event of the page does: gradio's values in, updates of its components out.

Whatever goes wrong is a message in the page, and the session stays as it was.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from panda.edit import REMOVE
from panda.errors import PandaError, told
from panda.naming import UNSEEN
from panda.progress import Watch, watched
from panda.studio import views
from panda.studio.actions import Choice, Studio
from panda.studio.exports import Export, command, export_edit, export_picture, export_sweep
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
    text = str(error) if isinstance(error, PandaError) else told(error)
    gr.Warning(escape(text[:500]), title="That did not work")


def ready(session: Session | None) -> Session:
    """The session; raises `PandaError` where the first generator has not been opened yet."""
    if session is None:
        raise PandaError("no generator is open yet; wait a moment, or choose another one")
    return session


class Events:
    """The handlers of one page; a user's own things come in with each call."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    def open_generator(
        self,
        session: Session | None,
        name: str,
        seed: int | None,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 (gradio's way)
    ) -> list[Any]:
        """Open a generator with what is usual for it; the earlier one stays where that fails."""
        try:
            return self._open(session, Choice(name, seed=int(seed or 0)), progress)
        except Exception as error:
            say(error)
            back = SKIP if session is None else session.canvas.generator.name
            return [SKIP, back, *[SKIP] * 11]

    @guarded
    def open_factors(
        self,
        session: Session | None,
        name: str,
        layer: str,
        factors: str,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> list[Any]:
        """Open another layer, or other factors of it, on the same image."""
        origin = ready(session).origin
        here = self.studio.factors_offered(self.studio.library.generator(name), layer)
        chosen = factors if factors in here else None
        choice = Choice(name, layer, chosen, origin.seed, origin.truncation, origin.label)
        return self._open(session, choice, progress)

    @guarded
    def draw(
        self,
        session: Session | None,
        name: str,
        layer: str,
        factors: str,
        seed: float | None,
        psi: float,
        label: float | None,
    ) -> Any:
        """Draw another sample."""
        if seed is None:
            return SKIP  # the field is being typed in
        choice = Choice(name, layer, factors, int(seed), psi, None if label is None else int(label))
        return self._open(ready(session), choice)

    @guarded
    def draw_next(self, session: Session | None, *choices: Any) -> Any:
        """Draw the sample of the next seed."""
        name, layer, factors, seed, psi, label = choices
        seed = -1 if seed is None else seed
        return self.draw(session, name, layer, factors, seed + 1, psi, label)

    def _open(self, session: Session | None, choice: Choice, progress: Any = None) -> list[Any]:
        with watched(_watch(progress)):
            choice = self.studio.resolve(choice)
            session = self.studio.open(choice, session)
        generator, layers = session.canvas.generator, session.canvas.generator.layers
        assert choice.layer is not None
        return [
            session,
            choice.generator,
            gr.update(
                choices=[(f"{n} ({x.height} x {x.width})", n) for n, x in layers.items()],
                value=choice.layer,
            ),
            gr.update(
                choices=[
                    (Path(one).name, one)
                    for one in self.studio.factors_offered(generator, choice.layer)
                ],
                value=choice.factors,
            ),
            SKIP if choice.seed is None else choice.seed,
            choice.truncation,
            gr.update(visible=self.studio.has_classes(generator), value=choice.label),
            *self._edited(session),
            views.status(session),
            command(session),
        ]

    def _edited(self, session: Session) -> list[Any]:
        """Stage, gallery, stack and strength."""
        slider = views.strength(session)
        on = slider.pop("on")
        return [
            self._stage(session),
            self._gallery(session),
            views.stack(session),
            gr.update(**slider, interactive=on),
        ]

    def _stage(self, session: Session) -> dict[str, Any]:
        return views.stage(session, self.studio.names(session.canvas))

    def _gallery(self, session: Session) -> dict[str, Any]:
        names = self.studio.names(session.canvas)
        if session.part is None:
            return views.gallery(session, names, [])
        found = self.studio.known(session.canvas, session.part, session.refined)
        return views.gallery(session, names, found or [], busy=found is None)

    def thumbnails(self, session: Session | None) -> Iterator[Any]:
        """Make the thumbnails of the chosen part, and show each as soon as it is there."""
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
        return [self._stage(session), self._gallery(session)]

    @guarded
    def view(self, session: Session | None, view: str) -> Any:
        """Show the stage in another way."""
        ready(session).show(view)
        return self._stage(ready(session))

    @guarded
    def refine(self, session: Session | None, refined: bool) -> Any:
        """Fit the parts to this image, or take the global ones again."""
        ready(session).refine(refined)
        return self._edited(ready(session))

    @guarded
    def pick(self, session: Session | None, event: gr.EventData) -> Any:
        """Choose the part under the pointer."""
        ready(session).pick(float(event.x), float(event.y))
        return self._edited(ready(session))

    @guarded
    def choose(self, session: Session | None, event: gr.EventData) -> Any:
        """Choose a part by its number."""
        ready(session).choose(int(event.part))
        return self._edited(ready(session))

    def _after(self, session: Session) -> list[Any]:
        return [*self._edited(session), command(session)]

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
        return [self._stage(session), views.stack(session)]

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
                with watched(_watch(progress)):  # not across a yield: others run in between
                    side = next(sides, None)
                if side is None:
                    return
                found.append(side)
                yield views.sides(found)
        except Exception as error:
            say(error)
            yield SKIP


def _watch(progress: gr.Progress | None) -> Watch:
    def watch(what: str, done: int, total: int | None) -> None:
        if progress is not None:
            progress((done, total), desc=what)

    return watch


def _sweep(progress: gr.Progress) -> Callable[[float], None]:
    return lambda share: progress(share, desc="sweep")


def _handed(export: Export) -> dict[str, str]:
    data = base64.b64encode(export.data).decode()
    return {"name": export.name, "kind": export.kind, "data": data}
