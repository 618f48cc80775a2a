"""The folder of a comparison: a folder for each entry, and in it one for each level.

Each of them is written whole or not at all, so that a comparison resumes where it was stopped.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from panda.checkpoints.tensors import load_tensors
from panda.comparison.decoding import decode
from panda.comparison.plan import Plan
from panda.comparison.results import GeneratorResult, Level
from panda.errors import PandaError
from panda.factorization.factors import Factors
from panda.factorization.journal import forget
from panda.files.in_place import no_links
from panda.files.json_lines import read_json
from panda.files.locks import hold_folder
from panda.files.ownership import replacing, withdraw
from panda.files.writing import is_empty, missing_parents, staging, sweep_all
from panda.generators.entries import Entry

MAPS = "maps.safetensors"
FIGURES = "figures.json"
PLAN = "plan.json"
WHAT = "a comparison"
PAGES = ("results.json", "results.md", "background.html", "report.html")
"""What is written again each time, from the figures of all generators."""


class ComparisonFolder:
    """A folder of results in which the same plan resumes; that of another one is refused.

    Args:
        path: The folder; it need not exist yet.
        plan: What is compared.

    Raises:
        PandaError: Where the folder has results of another plan, other files, or links.
    """

    def __init__(self, path: Path, plan: Plan) -> None:
        no_links(path)
        self.path = path
        file = path / PLAN
        self._made = missing_parents(file)
        facts = json.loads(json.dumps(asdict(plan)))
        if file.is_file():
            remedy = "delete the folder, or choose another one"
            before = read_json(file, "the plan of a comparison", remedy)
            changed = [key for key in facts if before.get(key) != facts[key]]
            if changed:
                raise PandaError(
                    f"{path} holds a comparison of other settings ({', '.join(changed)}); choose"
                    " another folder"
                )
        elif path.is_file() or (path.exists() and not is_empty(path)):
            raise PandaError(f"{path} exists and holds no comparison; choose another folder")
        else:
            write_json(file, facts)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Lock the folder against other runs, and remove what killed ones left half-written.

        Raises:
            PandaError: Where another run is at work in it.
        """
        with hold_folder(self.path):
            for folder in (self.path, *self.path.glob("generators/*")):
                sweep_all(folder)
            for journal in self.path.glob("generators/*/.fit-*"):
                if self.has(journal.with_name(journal.name.replace(".fit", "level"))):
                    forget(journal)
            yield

    def withdraw(self) -> None:
        """Remove what a comparison has left that was refused before it made anything."""
        withdraw(self.path, (PLAN, ".lock"), ("generators",), self._made)

    def overview(self, entry: Entry) -> Path:
        """Return the folder of an entry's samples, and of its background at every depth."""
        return self.path / "generators" / entry.folder / "overview"

    def level(self, entry: Entry, level: int) -> Path:
        """Return the folder of one level."""
        return self.path / "generators" / entry.folder / f"level-{level}"

    def journal(self, entry: Entry, level: int) -> Path:
        """Return the folder in which a fit keeps what it has so far."""
        return self.path / "generators" / entry.folder / f".fit-{level}"

    def has(self, folder: Path) -> bool:
        """Return whether a folder of results is complete: its figures are written last."""
        return (folder / FIGURES).is_file()

    def missing(self, entry: Entry, plan: Plan) -> list[int]:
        """Return the levels that are still to be done of an entry that has an overview."""
        absent = self.read(entry, plan).absent
        return [k for k in plan.levels if not (k in absent or self.has(self.level(entry, k)))]

    def done(self, entry: Entry, plan: Plan) -> bool:
        """Return whether all of an entry is done; not where its files are damaged."""
        try:
            return self.has(self.overview(entry)) and not self.missing(entry, plan)
        except PandaError:
            return False

    @contextmanager
    def writing(self, folder: Path) -> Iterator[Path]:
        """Yield a folder to fill; it takes its place when everything is in it."""
        with replacing(folder, "figures of a generator") as work:
            yield work

    def read(self, entry: Entry, plan: Plan) -> GeneratorResult:
        """Return all figures of an entry; raise `PandaError` where they are damaged."""
        overview: GeneratorResult = _read(self.overview(entry), GeneratorResult)
        levels = [
            self.read_level(entry, level)
            for level in plan.levels
            if self.has(self.level(entry, level))
        ]
        seconds = overview.seconds + sum(level.seconds["all"] for level in levels)
        return replace(overview, levels=tuple(levels), seconds=seconds)

    def read_level(self, entry: Entry, level: int) -> Level:
        """Return the figures of one level; raise `PandaError` where they are damaged."""
        figures: Level = _read(self.level(entry, level), Level)
        return figures

    def factors(self, entry: Entry, level: int) -> Factors:
        """Return the factors of a level; raise `PandaError` where they are damaged."""
        folder = self.level(entry, level)
        try:
            return Factors.load(folder / "factors")
        except PandaError as error:
            raise PandaError(f"{error}; delete {folder} to have them made again") from error

    def maps(self, entry: Entry, level: int) -> dict[str, Tensor]:
        """Return ``parts`` ``[R_S, MAP, MAP]`` and ``changes`` ``[K, 3, MARK, MARK]`` of a level.

        Raises:
            PandaError: Where they are damaged.
        """
        folder = self.level(entry, level)
        return load_tensors(folder / MAPS, f"delete {folder} to have it made again")


def write_json(file: Path, facts: Any) -> None:
    """Write strict JSON, whole or not at all; raise `PandaError` for NaN and infinity."""
    try:
        text = json.dumps(facts, indent=1, allow_nan=False)
    except ValueError as error:
        raise PandaError(f"a figure for {file.name} is not finite: {error}") from error
    with staging(file) as work:
        work.write_text(text + "\n", encoding="utf-8")


def _read(folder: Path, kind: type) -> Any:
    """Return the figures of a folder; raise `PandaError` where they are not whole."""
    file, remedy = folder / FIGURES, f"delete {folder} to have it made again"
    content = read_json(file, "figures of a comparison", remedy)
    try:
        return decode(kind, content)
    except (TypeError, ValueError, OverflowError) as error:
        raise PandaError(f"{file} is damaged, or of another version ({error}); {remedy}") from error
