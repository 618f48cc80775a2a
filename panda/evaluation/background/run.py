"""Every generator, layer and set of a study, whatever stops it on the way."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from panda.errors import PandaError
from panda.evaluation.background.directions import METHODS
from panda.evaluation.background.measure import measure_set
from panda.evaluation.background.portraits import Portrait, compare_portraits, portray
from panda.evaluation.background.scenes import Scenes, look_at
from panda.evaluation.background.settings import BackgroundSettings, layers_of
from panda.evaluation.background.store import PAGES, WHAT, BackgroundFolder
from panda.evaluation.background.study import Measured, Study
from panda.files.ownership import check_files
from panda.generators.contract import Generator, Layer
from panda.generators.entries import Entry, find_entries
from panda.generators.registry import create_generator
from panda.metrics.parsing import FaceParser
from panda.notes import note
from panda.progress import bar


def study_backgrounds(
    generators: str | Sequence[str],
    out: Path,
    settings: BackgroundSettings | None = None,
    *,
    device: str | torch.device = "cpu",
) -> Study:
    """Measure what acts as background in generators, and compare their backgrounds.

    The same call resumes where it was stopped, also with more generators.

    Args:
        generators: Names, patterns (``"mini-*"``), files, and single classes (``"NAME@207"``).
        out: The folder of results.
        settings: How many of everything.
        device: Where the generators run.

    Raises:
        PandaError: For wrong use, and where a generator cannot be measured.
    """
    settings = settings or BackgroundSettings()
    entries = find_entries(generators)
    check_files(out, WHAT, PAGES)
    folder = BackgroundFolder(out, settings)
    parser = _parser(settings, device)
    measured, portraits = [], {}
    with folder.hold():
        for entry in entries:
            generator = create_generator(entry.generator, device=device)
            missing = _missing(folder, entry, generator, settings)
            if missing:
                scenes = look_at(generator, entry.label, parser, settings)
                if parser is not None and scenes.parser is None:
                    note(f"{entry.name}: its samples are no faces, so nothing is parsed")
                _measure(folder, entry, missing, scenes, settings)
            layers = [layer.name for layer in layers_of(generator)]
            found = Measured.read(folder, entry, layers, settings.sets)
            measured.append(found)
            portraits[entry.name] = _portray(folder, entry, found, generator, settings)
    return Study(settings, tuple(measured), tuple(compare_portraits(portraits)))


def _parser(settings: BackgroundSettings, device: str | torch.device) -> FaceParser | None:
    if not settings.faces:
        return None
    try:
        return FaceParser(device)
    except PandaError as error:
        raise PandaError(f"{error}; --no-faces measures without parsing") from error


def _missing(
    folder: BackgroundFolder, entry: Entry, generator: Generator, settings: BackgroundSettings
) -> list[tuple[Layer, int]]:
    """Return the layers and sets of a generator that are not done yet."""
    digest = generator.digest
    return [
        (layer, number)
        for layer in layers_of(generator)
        for number in range(settings.sets)
        if not folder.has(entry, layer.name, number, digest)
    ]


def _measure(
    folder: BackgroundFolder,
    entry: Entry,
    missing: Sequence[tuple[Layer, int]],
    scenes: Scenes,
    settings: BackgroundSettings,
) -> None:
    """Measure layers and sets of a generator."""
    with bar(total=len(missing), desc=entry.name, unit="fit") as progress:
        for layer, number in missing:
            figures, tensors = measure_set(scenes, layer, settings, number)
            folder.save(entry, layer.name, number, figures, tensors)
            progress.update()


def _portray(
    folder: BackgroundFolder,
    entry: Entry,
    measured: Measured,
    generator: Generator,
    settings: BackgroundSettings,
) -> Portrait:
    """Return the background as the factors' best direction of each set sees it."""
    kind = measured.best_factor()
    layer = generator.layer(measured.best_layer(kind))
    row = list(METHODS).index(kind)
    sets = [folder.tensors(entry, layer.name, k)["chosen"][row] for k in range(settings.sets)]
    return portray(generator, entry.label, layer, torch.stack(sets), settings.portrayed)
