"""Events that change what is edited: generator, layer, factors, sample, photograph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from panda.errors import PandaError
from panda.generators.contract import Generator
from panda.progress import watched
from panda.studio.actions import Selection
from panda.studio.session import Session
from panda.studio.updates import SKIP, Updates, guarded, ready, say, watch_with


class Choosing(Updates):
    """The handlers; whatever goes wrong is a message, and the session stays as it was."""

    def open_generator(
        self,
        session: Session | None,
        name: str,
        seed: int | None,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 (gradio's way)
    ) -> list[Any]:
        """Open a generator with what is usual for it; the earlier one stays where that fails."""
        try:
            return self._open(session, Selection(name, seed=int(seed or 0)), progress)
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
        choice = Selection(name, layer, chosen, origin.seed, origin.truncation, origin.label)
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
        choice = Selection(
            name, layer, factors, int(seed), psi, None if label is None else int(label)
        )
        return self._open(ready(session), choice)

    @guarded
    def draw_next(self, session: Session | None, *choices: Any) -> Any:
        """Draw the sample of the next seed."""
        name, layer, factors, seed, psi, label = choices
        seed = -1 if seed is None else seed
        return self.draw(session, name, layer, factors, seed + 1, psi, label)

    @guarded
    def photograph(
        self,
        session: Session | None,
        path: str,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Any:
        """Find a photograph among the generator's images, and edit it from now on."""
        file = Path(path)
        try:
            session = ready(session)
            with watched(watch_with(progress)):
                self.studio.photograph(session, file)
        except PandaError as error:
            raise PandaError(str(error).replace(str(file), file.name)) from error
        finally:
            file.unlink(missing_ok=True)
        return [*self.edited(session), *self.status(session)]

    def _class(self, generator: Generator, choice: Selection) -> Any:
        shown = self.studio.has_classes(generator)
        if choice.seed is None:  # a photograph's
            return gr.update(visible=shown)
        return gr.update(visible=shown, value=choice.label)

    def _open(self, session: Session | None, choice: Selection, progress: Any = None) -> list[Any]:
        with watched(watch_with(progress)):
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
            SKIP if choice.seed is None else choice.truncation,
            self._class(generator, choice),
            *self.edited(session),
            *self.status(session),
        ]
