"""Event handlers for what is edited: generator, layer, factors, sample, photograph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from panda.errors import PandaError
from panda.generators.contract import Generator
from panda.generators.labels import label_text
from panda.progress import watched
from panda.studio.app import Selection
from panda.studio.session import Session
from panda.studio.updates import SKIP, Updates, progress_watch, require, show_error, shows_errors


class SelectionHandlers(Updates):
    """Handlers of the settings; an error becomes a message, and the session stays as it was."""

    def open_generator(
        self,
        session: Session | None,
        name: str,
        seed: int | None,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 (gradio reads the default)
    ) -> list[Any]:
        """Open a generator with its defaults; if that fails, keep the current one."""
        try:
            return self._open(session, Selection(name, seed=int(seed or 0)), progress)
        except Exception as error:
            show_error(error)
            current = SKIP if session is None else session.canvas.generator.name
            return [SKIP, current, *[SKIP] * 11]

    @shows_errors
    def open_factors(
        self,
        session: Session | None,
        name: str,
        layer: str,
        factors: str,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> list[Any]:
        """Open another layer, or other factors, with the same image."""
        origin = require(session).origin
        offered = self.studio.offered_factors(self.studio.library.generator(name), layer)
        chosen = factors if factors in offered else None
        selection = Selection(name, layer, chosen, origin.seed, origin.truncation, origin.label)
        return self._open(session, selection, progress)

    @shows_errors
    def draw(
        self,
        session: Session | None,
        name: str,
        layer: str,
        factors: str,
        seed: float | None,
        psi: float,
        label: str | None,
    ) -> Any:
        """Draw another sample."""
        if seed is None:
            return SKIP  # the field is empty while a number is typed
        selection = Selection(name, layer, factors, int(seed), psi, label or None)
        return self._open(require(session), selection)

    @shows_errors
    def redraw(self, session: Session | None, *settings: Any) -> Any:
        """Draw the same sample with another truncation or class, which a photograph has not."""
        if require(session).origin.seed is None:
            raise PandaError(
                "a photograph has no truncation and no class; choose a seed to leave it for a"
                " sample"
            )
        return self.draw(session, *settings)

    @shows_errors
    def draw_next(self, session: Session | None, *settings: Any) -> Any:
        """Draw the sample of the next seed."""
        name, layer, factors, seed, psi, label = settings
        seed = -1 if seed is None else seed
        return self.draw(session, name, layer, factors, seed + 1, psi, label)

    @shows_errors
    def photograph(
        self,
        session: Session | None,
        path: str,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Any:
        """Invert an uploaded photograph, and continue with its reconstruction."""
        file = Path(path)
        try:
            session = require(session)
            with watched(progress_watch(progress)):
                self.studio.open_photograph(session, file)
        except PandaError as error:
            raise PandaError(str(error).replace(str(file), file.name)) from error
        finally:
            file.unlink(missing_ok=True)
        fixed = gr.update(interactive=False)
        return [fixed, fixed, *self.edited(session), *self.status(session)]

    def _class(self, generator: Generator, selection: Selection) -> Any:
        """Return an update of the class field, which only some generators need."""
        visible = self.studio.has_classes(generator)
        if selection.seed is None:  # a photograph keeps the class that was typed
            return gr.update(visible=visible)
        label = selection.label
        written = "" if label is None else label_text(label, generator.labels)
        return gr.update(visible=visible, value=written, interactive=True)

    def _open(
        self, session: Session | None, selection: Selection, progress: Any = None
    ) -> list[Any]:
        """Open a selection and return the values of all components."""
        with watched(progress_watch(progress)):
            selection = self.studio.resolve(selection)
            session = self.studio.open(selection, session)
        generator, layers = session.canvas.generator, session.canvas.generator.layers
        assert selection.layer is not None
        return [
            session,
            selection.generator,
            gr.update(
                choices=[
                    (f"{n} ({layer.height} x {layer.width})", n) for n, layer in layers.items()
                ],
                value=selection.layer,
            ),
            gr.update(
                choices=[
                    (Path(factors).name, factors)
                    for factors in self.studio.offered_factors(generator, selection.layer)
                ],
                value=selection.factors,
            ),
            SKIP if selection.seed is None else selection.seed,
            SKIP
            if selection.seed is None
            else gr.update(value=selection.truncation, interactive=True),
            self._class(generator, selection),
            *self.edited(session),
            *self.status(session),
        ]
