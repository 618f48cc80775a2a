"""What the page does, as plain calls: open a generator, draw a sample, name parts, compare."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from panda.errors import PandaError
from panda.factorization.cached import fit_cached
from panda.factorization.usual import usual_place
from panda.generators.contract import Generator
from panda.generators.labels import Label, as_label
from panda.generators.one_class import whole
from panda.generators.registry import full_name
from panda.inversion import Inversion, invert
from panda.metrics.lpips import WEIGHTS as LPIPS_WEIGHTS
from panda.photographs.photograph import Photograph
from panda.studio.galleries import Galleries
from panda.studio.library import Library
from panda.studio.session import Canvas, Origin, Session, key_of
from panda.studio.thumbnails import (
    NamingContext,
    make_naming_context,
    place_names,
)
from panda.studio.transfer import Matcher, Panel, original_panel, transfer_edits

PARTS = (4, 8, 12, 16)
"""Numbers of parts on offer; the factors are fitted when they are first selected."""

PARSING_SIZE = 384
"""Pixels at which faces are parsed: enough for names, which need no fine outlines."""


@dataclass(frozen=True)
class Selection:
    """The image and the factors to edit with; None stands for the generator's default.

    Attributes:
        generator: The generator's name.
        layer: A layer of it.
        factors: An entry of `Studio.offered_factors`.
        seed: The seed of the sample; None keeps the session's image, such as a photograph.
        truncation: The truncation psi of the sample.
        label: The class of the sample.
    """

    generator: str
    layer: str | None = None
    factors: str | None = None
    seed: int | None = 0
    truncation: float | None = None
    label: Label | None = None


class Studio:
    """Everything the page can do with a library; nothing in it belongs to a single user."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.galleries = Galleries()
        self._naming: dict[object, NamingContext] = {}
        self._naming_lock = threading.Lock()

    def offered_factors(self, generator: Generator, layer: str) -> list[str]:
        """Return the folders with factors of a layer, and numbers of parts as ``"8 parts"``."""
        folders = [
            folder
            for folder, factors in self.library.factors.items()
            if full_name(factors.generator) == whole(generator)[0]
            and factors.layer == generator.layers[layer]
        ]
        positions = generator.layer(layer).positions
        return [*folders, *(_parts(count) for count in PARTS if count <= positions)]

    def resolve(self, selection: Selection) -> Selection:
        """Return the selection with every default filled in.

        Raises:
            PandaError: If the generator, the layer or the factors do not exist.
        """
        generator = self.library.generator(selection.generator)
        layer = selection.layer or self._default_layer(generator)
        offered = self.offered_factors(generator, layer)
        best = _parts(usual_place(generator)[1])
        usual = best if best in offered else offered[-1]
        default = offered[0] if offered[0] in self.library.factors else usual
        factors = selection.factors or default
        if factors not in offered:
            raise PandaError(f"factors {factors!r:.80}: expected one of {', '.join(offered)}")
        psi = generator.usual_truncation if selection.truncation is None else selection.truncation
        label = selection.label
        if label is None and factors in self.library.factors:
            label = self.library.factors[factors].label  # the class that was fitted
        label = None if label is None else as_label(label, generator)
        return replace(selection, layer=layer, factors=factors, truncation=psi, label=label)

    def open(self, selection: Selection, session: Session | None = None) -> Session:
        """Open a selection, and fit its factors if they are not cached.

        Args:
            selection: What to edit.
            session: The session to continue; its edits stay unless the factors change.

        Returns:
            The session, a new one if none was given.

        Raises:
            PandaError: If part of the selection does not exist; the session stays as it was.
        """
        selection = self.resolve(selection)
        assert selection.layer and selection.factors and selection.truncation is not None
        generator = self.library.generator(selection.generator)
        folder = None
        if selection.factors in self.library.factors:
            factors, folder = self.library.factors[selection.factors], Path(selection.factors)
        else:
            count = int(selection.factors.split()[0])
            factors = fit_cached(generator, selection.layer, parts=count)
        if selection.seed is not None:
            psi, label = selection.truncation, selection.label
            latents = generator.sample([selection.seed], truncation=psi, label=label)
            origin = Origin(selection.seed, psi, label)
        elif session is not None and session.canvas.generator is generator:
            latents, origin = session.canvas.latents, session.origin
        else:
            raise PandaError(f"a seed is needed to draw an image of {generator.name}")
        return self._show(Canvas(generator, factors, latents, folder), origin, session)

    def open_photograph(self, session: Session, path: Path) -> Inversion:
        """Invert a photograph and continue the session with its reconstruction.

        Faces are aligned if the weights of the face parser are on this machine.

        Args:
            session: The session to continue.
            path: The photograph.

        Raises:
            PandaError: If the file cannot be read or inverted, if the weights of LPIPS would have
                to be downloaded, or as soon as the session shows another image. The session then
                stays as it was.
        """
        canvas = session.canvas
        generator = canvas.generator

        def check(*_: object) -> None:
            if session.canvas is not canvas:
                raise PandaError(f"{path.name} was given up, since another image was chosen")

        photograph = replace(Photograph.read(path), name=path.name)
        if not LPIPS_WEIGHTS.cached:
            raise PandaError("the weights of LPIPS are not here; 'panda invert' fetches them once")
        align = "auto" if self.library.has_face_mesh else "never"
        inversion = invert(generator, photograph, align=align, progress=check)
        losses = f"LPIPS {inversion.lpips[0]:.3f}, pixels {inversion.pixels[0]:.3f}"
        origin = Origin(name=path.name, note=f"(reconstruction: {losses}; lower is closer)")
        latents = inversion.latents_for(generator)
        check()
        self._show(Canvas(generator, canvas.factors, latents, canvas.folder), origin, session)
        return inversion

    def _show(self, canvas: Canvas, origin: Origin, session: Session | None) -> Session:
        """Show an image in the session, or in a new one."""
        _ = canvas.before  # raises before the session changes
        if session is None:
            return Session(canvas, origin)
        session.replace_image(canvas, origin)
        return session

    def has_classes(self, generator: Generator) -> bool:
        """Return whether the generator takes classes or texts, and is not held to one of them."""
        if whole(generator)[1] is not None:
            return False
        if generator.labels:
            return True
        try:
            generator.sample([0], truncation=1.0, label=0)
        except PandaError:
            return False
        return True

    def names(self, canvas: Canvas) -> list[str]:
        """Return a name for each part: what it covers if that is known yet, else where it is."""
        context = self._naming.get(key_of(canvas.factors))
        return list(context.parts) if context else place_names(canvas.factors)

    def naming_context(self, canvas: Canvas) -> NamingContext:
        """Return what names need for the canvas's factors, computed on the first call."""
        factors = canvas.factors
        key = key_of(factors)
        with self._naming_lock:
            if key not in self._naming:
                parse = self._parse if self.library.has_parser else None
                self._naming[key] = make_naming_context(canvas.generator, factors, parse)
            return self._naming[key]

    def compare(self, session: Session, names: Sequence[str]) -> Iterator[Panel | PandaError]:
        """Apply the session's edits in other generators, to the sample of the same seed.

        Args:
            session: The session. A photograph has no seed; the other generators then use seed 0.
            names: The generators. The session's own one is shown as it is in the session.

        Yields:
            A panel for each generator, or the error that prevented it.

        Raises:
            PandaError: If the session has no active edit.
        """
        with session.lock:
            canvas, edits, origin = session.canvas, session.stack.edits, session.origin
            refined = session.refined
        if not edits:
            raise PandaError("there is no edit to compare; add one, or switch one on")
        matcher = Matcher(canvas.generator, canvas.factors)
        count = canvas.factors.parts.shape[1]
        for name in names:
            try:
                if name == canvas.generator.name:
                    yield original_panel(canvas, edits, refined, str(origin))
                    continue
                generator = self.library.generator(name)
                layer = generator.layer_near(canvas.factors.layer.side)
                factors = fit_cached(generator, layer.name, parts=min(count, layer.positions))
                seed = origin.seed or 0
                yield transfer_edits(matcher, edits, generator, factors, seed, refined=refined)
            except PandaError as error:
                yield PandaError(f"{name}: {error}")

    def _default_layer(self, generator: Generator) -> str:
        """Return the layer of the first folder of factors, or the usual one."""
        for factors in self.library.factors.values():
            if full_name(factors.generator) == whole(generator)[0]:
                return factors.layer.name
        return usual_place(generator)[0].name

    def _parse(self, images: Tensor) -> Tensor:
        """Parse faces at the size that names need."""
        return self.library.parse(images, PARSING_SIZE)


def _parts(count: int) -> str:
    """Return the entry of `Studio.offered_factors` for a number of parts."""
    return f"{count} parts"
