"""What the page does, in plain calls: open a generator, draw a sample, name, compare."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from weakref import WeakKeyDictionary

from torch import Tensor

from panda.errors import PandaError
from panda.factorization.cached import fit_cached
from panda.factorization.factors import Factors
from panda.generators.contract import Generator, Latents
from panda.inversion import Inversion, invert
from panda.inversion.alignment import to_pictures
from panda.inversion.photograph import read_photograph
from panda.metrics.lpips import WEIGHTS as LPIPS_WEIGHTS
from panda.studio.across import Matcher, Side, compare_edits, own_side
from panda.studio.library import Library
from panda.studio.session import Canvas, Origin, Session
from panda.studio.thumbnails import (
    Guide,
    Thumbnail,
    make_guide,
    name_thumbnails,
    place_names,
    thumbnails,
)

PARTS = (4, 8, 12, 16)
"""Numbers of parts that are offered; they are fitted when they are first asked for."""

USUAL = 8

Key = tuple[str, str, int]

PARSED = 384
"""Pixels at which faces are parsed: names need them whole more than fine."""


@dataclass(frozen=True)
class Selection:
    """What is to be edited; None is what is usual for the generator.

    ``factors`` is one of those that `Studio.factors_offered` lists. ``seed`` is None for the image
    that the session already has, such as a photograph.
    """

    generator: str
    layer: str | None = None
    factors: str | None = None
    seed: int | None = 0
    truncation: float | None = None
    label: int | None = None


class Studio:
    """All that the page can do with a library; nothing in it belongs to a single user."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self._guides: dict[Key, Guide] = {}
        self._found: WeakKeyDictionary[Canvas, dict[tuple[int, bool], list[Thumbnail]]]
        self._found = WeakKeyDictionary()
        self._complete: WeakKeyDictionary[Canvas, set[tuple[int, bool]]] = WeakKeyDictionary()
        self._naming = threading.Lock()

    def factors_offered(self, generator: Generator, layer: str) -> list[str]:
        """Folders that were given for this layer, and numbers of parts: ``"8 parts"``."""
        given = [
            folder
            for folder, factors in self.library.given.items()
            if factors.generator == generator.name and factors.layer == generator.layers[layer]
        ]
        positions = generator.layer(layer).positions
        return [*given, *(_parts(count) for count in PARTS if count <= positions)]

    def resolve(self, choice: Selection) -> Selection:
        """The same choice with nothing left to what is usual."""
        generator = self.library.generator(choice.generator)
        layer = choice.layer or self._usual_layer(generator)
        offered = self.factors_offered(generator, layer)
        usual = _parts(USUAL) if _parts(USUAL) in offered else offered[-1]
        factors = choice.factors or (offered[0] if offered[0] in self.library.given else usual)
        if factors not in offered:
            raise PandaError(f"factors {factors!r:.80}: expected one of {', '.join(offered)}")
        psi = generator.usual_truncation if choice.truncation is None else choice.truncation
        return replace(choice, layer=layer, factors=factors, truncation=psi)

    def open(self, choice: Selection, session: Session | None = None) -> Session:
        """A session with what was chosen, factors fitted where there are none.

        An earlier ``session`` goes on: its edits stay where the factors do. Raises `PandaError` for
        anything that is not there; the earlier session is then as it was.
        """
        choice = self.resolve(choice)
        assert choice.layer and choice.factors and choice.truncation is not None
        generator = self.library.generator(choice.generator)
        if choice.factors in self.library.given:
            factors = self.library.given[choice.factors]
        else:
            factors = fit_cached(generator, choice.layer, parts=int(choice.factors.split()[0]))
        if choice.seed is not None:
            psi, label = choice.truncation, choice.label
            latents = generator.sample([choice.seed], truncation=psi, label=label)
            origin = Origin(choice.seed, psi, label)
        elif session is not None and session.canvas.generator is generator:
            latents, origin = session.canvas.latents, session.origin
        else:
            raise PandaError(f"a seed is needed to draw an image of {generator.name}")
        return self._place(generator, factors, latents, origin, session)

    def photograph(self, session: Session, path: Path) -> Inversion:
        """Edit a photograph from now on: the image of the session's generator that is most like it.

        It is found as `panda invert` does, faces aligned where face parsing's weights are here.
        Raises `PandaError` where nothing can be found, where LPIPS would have to be fetched, and
        as soon as the session has another image; it is then as it was.
        """
        canvas = session.canvas
        generator = canvas.generator

        def check(*_: object) -> None:
            if session.canvas is not canvas:
                raise PandaError(f"{path.name} was given up, since another image was chosen")

        photographs = [(path.name, read_photograph(path))]
        if not LPIPS_WEIGHTS.cached:
            raise PandaError("LPIPS is not here yet; 'panda invert' fetches it, once")
        align = "auto" if self.library.parses else "never"
        pictures = to_pictures(generator, photographs, align=align)
        inversion = invert(generator, pictures, names=[path.name], progress=check)
        told = f"LPIPS {inversion.lpips[0]:.3f}, pixels {inversion.pixels[0]:.3f}"
        origin = Origin(name=path.name, note=f"found again with {told}")
        latents = inversion.latents_for(generator)
        check()
        self._place(generator, canvas.factors, latents, origin, session)
        return inversion

    def _place(
        self,
        generator: Generator,
        factors: Factors,
        latents: Latents,
        origin: Origin,
        session: Session | None,
    ) -> Session:
        canvas = Canvas(generator, factors, latents)
        _ = canvas.before  # whatever fails, fails before the session changes
        if session is None:
            return Session(canvas, origin)
        session.put(canvas, origin)
        return session

    def has_classes(self, generator: Generator) -> bool:
        """Whether the generator is class-conditional."""
        try:
            generator.sample([0], truncation=1.0, label=0)
        except PandaError:
            return False
        return True

    def names(self, canvas: Canvas) -> list[str]:
        """Names of the parts: by what they cover once `guide` knows, by their place before."""
        guide = self._guides.get(_key(canvas.factors))
        return list(guide.parts) if guide else place_names(canvas.factors)

    def guide(self, canvas: Canvas) -> Guide:
        """What names need for this generator's factors, made when it is first asked for."""
        factors = canvas.factors
        key = _key(factors)
        with self._naming:
            if key not in self._guides:
                parse = self._parse if self.library.parses else None
                self._guides[key] = make_guide(canvas.generator, factors, parse)
            return self._guides[key]

    def known(self, canvas: Canvas, part: int, refined: bool) -> list[Thumbnail] | None:
        """Thumbnails that were made already, which need not be all."""
        return self._found.get(canvas, {}).get((part, refined))

    def complete(self, canvas: Canvas, part: int, refined: bool) -> bool:
        """Whether these are all."""
        return (part, refined) in self._complete.get(canvas, ())

    def thumbnails(self, canvas: Canvas, part: int, refined: bool) -> Iterator[list[Thumbnail]]:
        """What the part's own appearances do, the greatest effect first, more and more of them."""
        kept = self._found.setdefault(canvas, {})
        if self.complete(canvas, part, refined):
            yield kept[part, refined]
            return
        kept.setdefault((part, refined), [])
        for found in thumbnails(canvas, part, refined=refined):
            kept[part, refined] = found
            yield found
        self._complete.setdefault(canvas, set()).add((part, refined))

    def name(self, canvas: Canvas, part: int, refined: bool) -> list[Thumbnail]:
        """All of them, with names from now on."""
        for _ in self.thumbnails(canvas, part, refined):
            pass
        found = self._found[canvas][part, refined]
        if not any(one.name for one in found):
            found = name_thumbnails(canvas, part, found, self.guide(canvas))
            self._found[canvas][part, refined] = found
        return found

    def compare(self, session: Session, names: Sequence[str]) -> Iterator[Side | PandaError]:
        """The session's edits in other generators, on the sample of the same seed, one by one.

        The session's own generator shows what is on the stage; a photograph has no seed, so the
        others show that of seed 0. What fails is told in its place. Raises `PandaError` where there
        is no edit.
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
                    yield own_side(canvas, edits, refined, str(origin))
                    continue
                generator = self.library.generator(name)
                layer = generator.layer_near(canvas.factors.layer.side)
                factors = fit_cached(generator, layer.name, parts=min(count, layer.positions))
                seed = origin.seed or 0
                yield compare_edits(matcher, edits, generator, factors, seed, refined=refined)
            except PandaError as error:
                yield PandaError(f"{name}: {error}")

    def _usual_layer(self, generator: Generator) -> str:
        for factors in self.library.given.values():
            if factors.generator == generator.name:
                return factors.layer.name
        return generator.layer_near(16).name

    def _parse(self, images: Tensor) -> Tensor:
        return self.library.parse(images, PARSED)


def _key(factors: Factors) -> Key:
    return factors.generator, factors.layer.name, hash(factors.parts.cpu().numpy().tobytes())


def _parts(count: int) -> str:
    return f"{count} parts"
