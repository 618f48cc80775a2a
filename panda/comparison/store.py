"""A folder of results that grows: one folder an entry, in it one a level, each whole or absent."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from panda.checkpoints.tensors import load_tensors
from panda.comparison.plan import Plan
from panda.comparison.results import Analyzed, Level, analyzed_from, level_from
from panda.errors import PandaError
from panda.files.locks import hold_folder
from panda.files.writing import is_empty, staging, sweep
from panda.generators.entries import Entry

MAPS = "maps.safetensors"
FIGURES = "figures.json"


class ComparisonFolder:
    """The same plan goes on in a folder; raises `PandaError` where that holds anything else."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.folder = folder
        file = folder / "plan.json"
        facts = json.loads(json.dumps(asdict(plan)))
        if file.is_file():
            before = _read(file)
            changed = [key for key in facts if before.get(key) != facts[key]]
            if changed:
                raise PandaError(
                    f"{folder} holds a comparison of other settings ({', '.join(changed)}); choose"
                    " another folder"
                )
        elif folder.is_file() or (folder.exists() and not is_empty(folder)):
            raise PandaError(f"{folder} exists and holds no comparison; choose another folder")
        else:
            write_json(file, facts)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold the folder against other runs, and clear what killed ones left half-written.

        Raises `PandaError` where another run is at work in it.
        """
        with hold_folder(self.folder):
            sweep(self.folder / "plan.json")
            for name in (".level-*.*", ".overview.*"):
                for leftover in self.folder.glob(f"generators/*/{name}"):
                    shutil.rmtree(leftover, ignore_errors=True)
            for journal in self.folder.glob("generators/*/.fit-*"):
                if self.has(journal.with_name(journal.name.replace(".fit", "level"))):
                    shutil.rmtree(journal, ignore_errors=True)
            yield

    def overview(self, entry: Entry) -> Path:
        """Where an entry's samples and depths are."""
        return self.folder / "generators" / entry.folder / "overview"

    def level(self, entry: Entry, level: int) -> Path:
        """Where one level's figures, maps, factors and pictures are."""
        return self.folder / "generators" / entry.folder / f"level-{level}"

    def journal(self, entry: Entry, level: int) -> Path:
        """Where a fit keeps what it has so far."""
        return self.folder / "generators" / entry.folder / f".fit-{level}"

    def has(self, folder: Path) -> bool:
        """Whether a folder of results is there; it is written last, so it is whole."""
        return (folder / FIGURES).is_file()

    def missing(self, entry: Entry, plan: Plan) -> list[int]:
        """The levels of a plan that are still to be done, of an entry whose overview is there."""
        absent = self.read(entry, plan).absent
        return [k for k in plan.levels if not (k in absent or self.has(self.level(entry, k)))]

    def done(self, entry: Entry, plan: Plan) -> bool:
        """Whether nothing of an entry is still to be done; not so where its files are damaged."""
        try:
            return self.has(self.overview(entry)) and not self.missing(entry, plan)
        except PandaError:
            return False

    @contextmanager
    def writing(self, folder: Path) -> Iterator[Path]:
        """Yield a folder to fill; it takes its place when all is in it."""
        with staging(folder) as work:
            work.mkdir()
            yield work

    def read(self, entry: Entry, plan: Plan) -> Analyzed:
        """All figures of an entry; raises `PandaError` where they are damaged."""
        folder = self.overview(entry)
        try:
            overview = analyzed_from(_read(folder / FIGURES))
            levels = [
                self.read_level(entry, level)
                for level in plan.levels
                if self.has(self.level(entry, level))
            ]
        except (TypeError, KeyError, AttributeError) as error:
            raise PandaError(f"{folder.parent} is damaged ({error}); delete it") from error
        seconds = overview.seconds + sum(level.seconds["all"] for level in levels)
        return replace(overview, levels=tuple(levels), seconds=seconds)

    def read_level(self, entry: Entry, level: int) -> Level:
        """The figures of one level."""
        return level_from(_read(self.level(entry, level) / FIGURES))

    def maps(self, entry: Entry, level: int) -> dict[str, Tensor]:
        """``parts`` ``[R_S, MAP, MAP]`` and ``changes`` ``[K, 3, MARK, MARK]`` of one level."""
        return load_tensors(self.level(entry, level) / MAPS, "delete the level's folder")


def write_json(file: Path, facts: Any) -> None:
    """Write strict JSON, whole or not at all; raises `PandaError` for NaN and infinity."""
    try:
        text = json.dumps(facts, indent=1, allow_nan=False)
    except ValueError as error:
        raise PandaError(f"a figure for {file.name} is not finite: {error}") from error
    with staging(file) as work:
        work.write_text(text + "\n")


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise PandaError(f"{file} cannot be read ({error}); delete its folder") from error
    if not isinstance(found, dict):
        raise PandaError(f"{file} is not what was written there; delete its folder")
    return found
