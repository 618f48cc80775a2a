"""The folder of a benchmark, which grows: fits and choices, rows of figures, features, pictures."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from panda.checkpoints.tensors import load_tensors, save_tensors
from panda.errors import DiskError, PandaError
from panda.evaluation.choose import ChosenEdit
from panda.evaluation.written import factors_of, facts_of, read_change, tensors_of
from panda.files.in_place import no_links, open_in_place
from panda.files.json_lines import append_rows, read_json, read_rows
from panda.files.locks import hold_folder
from panda.files.ownership import replacing, withdraw
from panda.files.unchanged import unchanged
from panda.files.writing import is_empty, missing_parents, staging, sweep, sweep_all

PLAN = "plan.json"
CHOICES = "choices.json"
DIRECTIONS = "directions.safetensors"
DIGEST = "weights_sha256"
"""The setting that is the digest of the generator's weights."""

WHAT = "a benchmark of locality"
PAGES = ("results.json", "results.md", "overview.png", "report.html")
"""What is written again each time, from all figures."""


class BenchmarkFolder:
    """A folder of results in which the same benchmark resumes; that of another one is refused.

    Args:
        path: The folder; it need not exist yet.
        settings: All settings that the figures depend on, as JSON takes them.

    Raises:
        PandaError: Where the folder has results of other settings, other files, or links.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        no_links(path)
        self.path, self._settings = path, dict(settings)
        file = path / PLAN
        self._made = missing_parents(file)
        if file.is_file():
            before = read_json(
                file, "the settings of a benchmark", "delete the folder, or choose another one"
            )
            before = {DIGEST: settings.get(DIGEST), "equal": "change", **before}  # of older ones
            changed = [key for key in settings if before.get(key) != settings[key]]
            if changed:
                raise PandaError(
                    f"{path} holds a benchmark of other settings ({', '.join(changed)}); choose"
                    " another folder"
                )
        elif path.exists() and not (path.is_dir() and is_empty(path)):
            raise PandaError(f"{path} exists and holds no benchmark; choose another folder")

    def begin(self) -> None:
        """Write the settings, by which the folder is known, and remove what killed runs left."""
        file = self.path / PLAN
        if not file.is_file():
            with staging(file) as work:
                work.write_text(json.dumps(self._settings, indent=1) + "\n", encoding="utf-8")
        sweep_all(self.path)

    @contextmanager
    def lock(self, method: str) -> Iterator[None]:
        """Lock a method against other processes of the same benchmark, which wait for it."""
        with hold_folder(self.path, f".{method}.lock", wait=True):
            sweep(self.path / "methods" / method)
            yield

    def withdraw(self, methods: Iterable[str]) -> None:
        """Remove what a benchmark has left that was refused before it made anything."""
        files = (PLAN, *(f".{method}.lock" for method in methods))
        withdraw(self.path, files, ("methods", "rows"), self._made)

    def load_choices(self, method: str) -> tuple[dict[str, ChosenEdit], dict[str, Any]] | None:
        """Return the chosen edits of a method by goal and the facts of its fit; None before that.

        Raises:
            PandaError: Where the files are damaged.
        """
        folder = self.path / "methods" / method
        if not (folder / CHOICES).is_file():
            return None
        remedy = f"delete {folder} to have the method fitted again"
        file = folder / DIRECTIONS
        with unchanged(folder / CHOICES, file):
            content = read_json(folder / CHOICES, "the chosen edits of a method", remedy)
            tensors = load_tensors(file, remedy) if file.is_file() else {}
        try:
            _check_fit(content["fit"])
            choices = {
                purpose: ChosenEdit(
                    str(facts["name"]),
                    read_change(facts["change"], tensors, purpose, folder),
                    *(float(facts[key]) for key in ("strength", "score", "effect")),
                )
                for purpose, facts in content["choices"].items()
            }
        except PandaError as error:
            raise PandaError(f"{error}; {remedy}") from error
        except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
            raise PandaError(f"{folder / CHOICES} is damaged ({error!r}); {remedy}") from error
        return choices, content["fit"]

    def save_choices(
        self, method: str, choices: Mapping[str, ChosenEdit], fit: Mapping[str, Any]
    ) -> None:
        """Write the chosen edits of a method and the facts of its fit, all files or none."""
        tensors: dict[str, Tensor] = {}
        written: dict[int, str] = {}
        content: dict[str, Any] = {"fit": fit, "choices": {}}
        with replacing(self.path / "methods" / method, "edits of a method") as work:
            for purpose, choice in choices.items():
                change = choice.change
                if (factors := factors_of(change)) and id(factors) not in written:
                    written[id(factors)] = f"factors-{factors.layer.name}"
                    factors.save(work / written[id(factors)])
                tensors |= tensors_of(change, purpose)
                content["choices"][purpose] = {
                    "name": choice.name,
                    "change": facts_of(change, written),
                    "strength": choice.strength,
                    "score": choice.score,
                    "effect": choice.effect,
                }
            if tensors:
                save_tensors(work / DIRECTIONS, tensors, {})
            (work / CHOICES).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    def add_rows(self, method: str, edit: str, part: str, rows: list[dict[str, Any]]) -> None:
        """Append rows of figures, measured by the process that is called ``part``."""
        append_rows(self.path / "rows" / method / f"{edit}.{part}.jsonl", rows)

    def rows(self, method: str, edit: str) -> dict[int, dict[str, Any]]:
        """Return all rows of an edit so far by seed, of all processes.

        Raises:
            PandaError: Where a line is damaged.
        """
        rows: dict[int, dict[str, Any]] = {}
        for file in sorted((self.path / "rows" / method).glob(f"{edit}.*.jsonl")):
            rows |= {row["seed"]: row for row in read_rows(file, _is_row)}
        return dict(sorted(rows.items()))

    def add_features(self, of: str, part: str, seeds: Sequence[int], features: Tensor) -> None:
        """Append Inception's features ``[N, D]`` of images, in half precision.

        Each record is a seed and its D features; a half-written last record is cut off first.

        Raises:
            PandaError: Where the file cannot be written, or is a link.
        """
        file = self.path / "rows" / f"{of}.{part}.features"
        records = np.zeros(len(seeds), _record(features.shape[1]))
        records["seed"], records["features"] = seeds, features.cpu().half().numpy()
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with open_in_place(file) as lines:
                whole = lines.seek(0, os.SEEK_END) // records.itemsize
                lines.seek(lines.truncate(whole * records.itemsize))
                lines.write(records.tobytes())
        except OSError as error:
            raise DiskError(f"cannot write {file}: {error.strerror}") from error

    def features(self, of: str, size: int = 2048) -> dict[int, Tensor]:
        """Return all such features so far by seed, ``[D]`` float32, of all processes.

        Raises:
            PandaError: Where a file is damaged.
        """
        record = _record(size)
        by_seed: dict[int, Tensor] = {}
        for file in sorted((self.path / "rows").glob(f"{of}.*.features")):
            content = file.read_bytes()
            rows = np.frombuffer(content, record, len(content) // record.itemsize)
            features = torch.from_numpy(rows["features"].astype(np.float32))
            if not features.isfinite().all():
                raise PandaError(f"{file} is damaged; delete it to have it made again")
            by_seed |= dict(zip(rows["seed"].tolist(), features, strict=True))
        return dict(sorted(by_seed.items()))


def _record(size: int) -> np.dtype[Any]:
    return np.dtype([("seed", "<i8"), ("features", "<f2", (size,))])


def _is_row(row: Mapping[str, Any]) -> bool:
    """Whether a row has a seed, and numbers or None for everything else."""
    numbers = (value for value in row.values() if value is not None)
    return type(row.get("seed")) is int and all(map(_is_number, numbers))


def _is_number(value: object) -> bool:
    """Whether it is a number and no larger than float64 takes."""
    return type(value) is float or (type(value) is int and abs(value) < 2**63)


def _check_fit(fit: Mapping[str, Any]) -> None:
    """Raise KeyError or TypeError unless a table of costs can be made of a fit's facts."""
    text, files = fit["method"]
    if not isinstance(text, str) or not isinstance(files, list):
        raise TypeError(f"expected a method and its files, not {fit['method']!r}")
    for key in {"device", "reason"} & fit.keys():
        if not isinstance(fit[key], str):
            raise TypeError(f"expected a text as {key}, not {fit[key]!r}")
    if "reason" not in fit:
        for key in ("edits", "cpu_seconds"):
            if not _is_number(fit[key]):
                raise TypeError(f"expected a number of {key}, not {fit[key]!r}")
