"""Samples at the layer of factors, with what face parsing says of their images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from panda.errors import PandaError
from panda.factorization.factors import Factors
from panda.generators.contract import Generator, State
from panda.generators.seeds import parse_numbers
from panda.metrics.faces import enough_faces, show_face
from panda.metrics.parsing import FaceParser
from panda.metrics.roir import small
from panda.notes import note
from panda.progress import bar

BATCH = 8


@dataclass(frozen=True, eq=False)
class ParsedBatch:
    """Some samples before anything is changed.

    Attributes:
        state: Their features ``[N, C, H, W]`` at the factors' layer.
        before: Their images as changes are measured on them, ``[N, 3, h, w]`` in [-1, 1].
        parsed: Class maps ``[N, h, w]`` of the images.
    """

    state: State
    before: Tensor
    parsed: Tensor


def parsed_batches(
    generator: Generator, factors: Factors, parser: FaceParser, seeds: Sequence[int]
) -> Iterator[ParsedBatch]:
    """Sample seeds at the usual truncation, in the class of the fit, and parse their images.

    Raises:
        PandaError: Where the first of them are no faces.
    """
    layer = factors.layer.name
    with bar(total=len(seeds), desc="parse", unit="img") as progress:
        for start in range(0, len(seeds), BATCH):
            chosen = seeds[start : start + BATCH]
            psi = generator.usual_truncation
            latents = generator.sample(chosen, truncation=psi, label=factors.label)
            state = generator.head(latents, layer)
            before = small(generator.tail(state, layer))
            parsed = parse_faces(generator, parser, before, check=start == 0)
            progress.update(len(chosen))
            yield ParsedBatch(state, before, parsed)


def parse_faces(generator: Generator, parser: FaceParser, images: Tensor, *, check: bool) -> Tensor:
    """Return class maps ``[N, h, w]`` of a generator's small images ``[N, 3, h, w]``.

    Raises:
        PandaError: Where ``check`` is asked for, and they are no faces.
    """
    parsed = parser(images)
    if check:
        shown = show_face(parsed)
        if not enough_faces(shown):
            raise PandaError(
                f"the samples of {generator.name} are no faces, so face parsing can measure"
                " nothing on them; give a generator of faces"
            )
        if not bool(shown.all()):
            note(
                f"{generator.name}: {int(shown.sum())} of the first {len(shown)} samples are whole"
                " faces (both eyes, nose and mouth); figures are of all samples"
            )
    return F.interpolate(parsed[:, None], images.shape[2:], mode="nearest")[:, 0]


def check_fits(generator: Generator, fits: Sequence[Factors]) -> Factors:
    """Return the first of some factors that are measured together.

    Raises:
        PandaError: Where there are none, and where they are of another generator, not all of one
            layer and class, or of the same seeds, which would say nothing of other fits.
    """
    if not fits:
        raise PandaError("no factors were given to measure")
    for factors in fits:
        factors.check(generator)
        if (factors.layer, factors.label) != (fits[0].layer, fits[0].label):
            raise PandaError(
                f"factors of {fits[0].layer.name} (class {fits[0].label}) and of"
                f" {factors.layer.name} (class {factors.label}) cannot be measured together; give"
                " fits of one layer and class, of different seeds"
            )
    seen: set[int] = set()
    for factors in fits:
        seeds = set(parse_numbers(factors.seeds)) if factors.seeds else set()
        if seen & seeds:
            raise PandaError(
                f"several factors were fitted on seed {min(seen & seeds)}; give fits of disjoint"
                " sets of seeds, such as 0-999 and 1000-1999"
            )
        seen |= seeds
    return fits[0]
