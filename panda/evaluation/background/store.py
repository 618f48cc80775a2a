"""The folder of a study, which grows by one layer and one set of seeds at a time.

Each of them is a folder that is written whole or not at all, so that the same command goes on where
it was stopped, also with more generators.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

from panda.checkpoints.tensors import load_tensors, save_tensors
from panda.errors import PandaError
from panda.evaluation.background.directions import METHODS
from panda.evaluation.background.settings import BackgroundSettings
from panda.evaluation.store import BenchmarkFolder
from panda.files.json_lines import read_json
from panda.files.locks import hold_folder
from panda.files.ownership import replacing
from panda.files.writing import sweep_all
from panda.generators.entries import Entry

WHAT = "a benchmark of backgrounds"
FIGURES = "figures.json"
TENSORS = "directions.safetensors"
PAGES = ("rows.csv", "results.md", "results.json")
"""What is written again each time, from all figures."""

NUMBERS = ("side", "set", "agreement", "covered")


class BackgroundFolder(BenchmarkFolder):
    """A folder of results in which the same study resumes; that of another one is refused.

    Args:
        path: The folder; it need not exist yet.
        settings: What is measured.

    Raises:
        PandaError: Where the folder has results of other settings, other files, or links.
    """

    def __init__(self, path: Path, settings: BackgroundSettings) -> None:
        super().__init__(path, {"benchmark": "background", **asdict(settings)})

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Lock the folder against other runs, and remove what killed ones left half-written.

        Raises:
            PandaError: Where another run is at work in it.
        """
        with hold_folder(self.path):
            self.begin()
            for folder in self.path.glob("generators/*"):
                sweep_all(folder)
            yield

    def unit(self, entry: Entry, layer: str, number: int) -> Path:
        """Return the folder of one layer and one set."""
        plain = Entry(layer).folder
        return self.path / "generators" / entry.folder / f"{plain}-{number}"

    def has(self, entry: Entry, layer: str, number: int, digest: str) -> bool:
        """Return whether a layer and set are done, with these weights.

        Raises:
            PandaError: Where its files are damaged.
        """
        if not (self.unit(entry, layer, number) / FIGURES).is_file():
            return False
        return bool(self.figures(entry, layer, number)["weights_sha256"] == digest)

    def save(
        self,
        entry: Entry,
        layer: str,
        number: int,
        figures: Mapping[str, Any],
        tensors: Mapping[str, Tensor],
    ) -> None:
        """Write one layer and set, all files or none."""
        with replacing(self.unit(entry, layer, number), "figures of a background") as work:
            half = {name: tensor.half() for name, tensor in tensors.items()}
            save_tensors(work / TENSORS, half, {})
            text = json.dumps(figures, allow_nan=False) + "\n"
            (work / FIGURES).write_text(text, encoding="utf-8")

    def figures(self, entry: Entry, layer: str, number: int) -> dict[str, Any]:
        """Return the figures of one layer and set; raise `PandaError` where they are damaged."""
        folder = self.unit(entry, layer, number)
        remedy = f"delete {folder} to have it made again"
        content = read_json(folder / FIGURES, "the figures of a background", remedy)
        if not _is_whole(content):
            raise PandaError(
                f"{folder / FIGURES} is damaged, expected the figures of a background; {remedy}"
            )
        return content

    def tensors(self, entry: Entry, layer: str, number: int) -> dict[str, Tensor]:
        """Return the tensors of one layer and set; raise `PandaError` where they are damaged."""
        folder = self.unit(entry, layer, number)
        remedy = f"delete {folder} to have it made again"
        loaded = load_tensors(folder / TENSORS, remedy)
        if {"chosen", "maps"} - loaded.keys() or len(loaded["chosen"]) != len(METHODS):
            raise PandaError(
                f"{folder / TENSORS} is damaged, expected a direction of each kind; {remedy}"
            )
        return {name: tensor.float() for name, tensor in loaded.items()}


def _is_whole(content: Mapping[str, Any]) -> bool:
    """Return whether tables can be made of the figures of a layer and set."""
    try:
        numbers = [content[name] for name in NUMBERS]
        lists = [content["constant"] or [], content["seeds"], *content["before"].values()]
        for kind in METHODS:
            method = content["methods"][kind]
            numbers += [method["selected"], method["likeness"]]
            lists += method["values"].values()
        texts = [content["layer"], content["weights_sha256"]]
        texts += [content["methods"][kind]["name"] for kind in METHODS]
        values = [*numbers, *(value for row in lists for value in row)]
    except (LookupError, TypeError, AttributeError):
        return False
    number = all(value is None or type(value) in (int, float) for value in values)
    return number and len(content["seeds"]) == 2 and all(isinstance(text, str) for text in texts)
