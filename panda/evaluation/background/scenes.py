"""The samples of one generator that directions are chosen and scored on, each parsed once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from panda.evaluation.background.settings import BackgroundSettings
from panda.generators.contract import Generator, Latents, State
from panda.generators.labels import Label
from panda.generators.seeds import evaluation_seeds, selection_seeds
from panda.metrics.faces import enough_faces, show_face
from panda.metrics.parsing import FaceParser, mask
from panda.metrics.removal import best_constant
from panda.metrics.roir import small
from panda.progress import bar

BATCH = 8


@dataclass(frozen=True, eq=False)
class Scenes:
    """Samples to choose and to score on.

    Attributes:
        generator: Where they come from.
        label: The class of all; None where each seed draws its own.
        parser: Says where background is; None for a generator of anything but faces.
        parse_size: Pixels at which it looks.
        selection: The seeds that choices are made on.
        scored: The seeds that are measured.
        chosen_on: Parsed background of the former, ``[N, h, w]`` bool; None without parser.
        truth: That of the latter, likewise.
        constant: The mask ``[h, w]`` bool that overlaps most with ``chosen_on``.
        whole: The share of the scored samples that show a whole face; None without parser.
    """

    generator: Generator
    label: Label | None
    parser: FaceParser | None
    parse_size: int
    selection: range
    scored: range
    chosen_on: Tensor | None
    truth: Tensor | None
    constant: Tensor | None
    whole: float | None = None

    def states(self, seeds: Sequence[int], layer: str) -> Iterator[State]:
        """Yield the states of samples at a layer, in batches."""
        for latents in batches(self.generator, self.label, seeds):
            yield self.generator.head(latents, layer)

    def background(self, images: Tensor) -> Tensor | None:
        """Return where parsing sees background in small images ``[N, 3, h, w]``, as ``truth``."""
        if self.parser is None:
            return None
        return _background(self.parser(images, self.parse_size), images)


def look_at(
    generator: Generator,
    label: Label | None,
    parser: FaceParser | None,
    settings: BackgroundSettings,
) -> Scenes:
    """Draw the samples of a generator and parse them, if they are faces."""
    selection, scored = selection_seeds(settings.selected), evaluation_seeds(settings.n)
    size = settings.parse_size
    chosen_on: list[Tensor] = []
    truth: list[Tensor] = []
    shown: list[Tensor] = []
    with bar(total=len(selection) + len(scored), desc="look", unit="img") as progress:
        for seeds, found in ((selection, chosen_on), (scored, truth)):
            for latents in batches(generator, label, seeds) if parser is not None else ():
                if parser is None:
                    break
                images = small(generator.forward(latents))
                parsed = parser(images, size)
                faces = show_face(parsed)
                if not chosen_on and not enough_faces(faces):
                    parser = None
                    break
                found.append(_background(parsed, images))
                shown += [faces] if found is truth else []
                progress.update(len(images))
    of_choices = torch.cat(chosen_on) if parser is not None else None
    return Scenes(
        generator,
        label,
        parser,
        size,
        selection,
        scored,
        of_choices,
        torch.cat(truth) if parser is not None else None,
        None if of_choices is None else best_constant(of_choices),
        float(torch.cat(shown).float().mean()) if parser is not None else None,
    )


def batches(generator: Generator, label: Label | None, seeds: Sequence[int]) -> Iterator[Latents]:
    """Yield samples of seeds at the usual truncation, a few at a time."""
    for start in range(0, len(seeds), BATCH):
        psi = generator.usual_truncation
        yield generator.sample(seeds[start : start + BATCH], truncation=psi, label=label)


def _background(parsed: Tensor, images: Tensor) -> Tensor:
    parsed = F.interpolate(parsed[:, None], images.shape[2:], mode="nearest")[:, 0]
    return mask(parsed, "background").cpu()
