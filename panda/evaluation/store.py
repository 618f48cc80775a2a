"""What a benchmark has so far, on disk: fits and choices, rows of figures, pictures."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from panda.checkpoints.tensors import load_tensors, save_tensors
from panda.editing.edits import Edit
from panda.errors import DiskError, PandaError
from panda.evaluation.choose import ChosenEdit
from panda.factorization.factors import Factors
from panda.files.json_lines import append
from panda.files.locks import hold_folder
from panda.files.writing import is_empty, staging, sweep
from panda.methods.changes import Change, PartChange, StyleChange, WChange, ZChange

CHOICES = "choices.json"
DIRECTIONS = "directions.safetensors"


class BenchmarkFolder:
    """A folder of results that grows; the same plan goes on in it, another one is refused."""

    def __init__(self, folder: Path, plan: Mapping[str, Any]) -> None:
        self.folder = folder
        file = folder / "plan.json"
        if file.is_file():
            before = json.loads(file.read_text())
            changed = [key for key in plan if before.get(key) != plan[key]]
            if changed:
                raise PandaError(
                    f"{folder} holds a benchmark of other settings ({', '.join(changed)}); choose"
                    " another folder"
                )
        elif folder.exists() and not is_empty(folder):
            raise PandaError(f"{folder} exists and holds no benchmark; choose another folder")
        else:
            with staging(file) as work:
                work.write_text(json.dumps(plan, indent=1) + "\n")
        sweep(file)

    @contextmanager
    def hold(self, method: str) -> Iterator[None]:
        """Hold a method against other processes of the same benchmark, which wait for it."""
        with hold_folder(self.folder, f".{method}.lock", wait=True):
            sweep(self.folder / "methods" / method)
            yield

    def choices(self, method: str) -> tuple[dict[str, ChosenEdit], dict[str, Any]] | None:
        """What was chosen of a method and what is told of its fit, or None before that."""
        folder = self.folder / "methods" / method
        if not (folder / CHOICES).is_file():
            return None
        content = json.loads((folder / CHOICES).read_text())
        file = folder / DIRECTIONS
        tensors = load_tensors(file, "delete the method's folder") if file.is_file() else {}
        found = {
            purpose: ChosenEdit(
                facts["name"],
                _change(facts["change"], tensors.get(purpose), folder),
                facts["strength"],
                facts["roir"],
                facts["effect"],
            )
            for purpose, facts in content["choices"].items()
        }
        return found, content["fit"]

    def keep_choices(
        self, method: str, choices: Mapping[str, ChosenEdit], fit: Mapping[str, Any]
    ) -> None:
        """Write what was chosen, whole or not at all."""
        tensors: dict[str, Tensor] = {}
        written: dict[int, str] = {}
        content: dict[str, Any] = {"fit": fit, "choices": {}}
        with staging(self.folder / "methods" / method) as work:
            work.mkdir()
            for purpose, choice in choices.items():
                change = choice.change
                if isinstance(change, PartChange) and id(change.factors) not in written:
                    written[id(change.factors)] = f"factors-{change.factors.layer.name}"
                    change.factors.save(work / written[id(change.factors)])
                if isinstance(change, WChange | ZChange):
                    # A copy: two purposes may share one, which the file format does not take.
                    tensors[purpose] = change.direction.detach().float().cpu().clone()
                content["choices"][purpose] = {
                    "name": choice.name,
                    "change": _facts(change, written),
                    "strength": choice.strength,
                    "roir": choice.roir,
                    "effect": choice.effect,
                }
            if tensors:
                save_tensors(work / DIRECTIONS, tensors, {})
            (work / CHOICES).write_text(json.dumps(content, indent=1) + "\n")

    def add(self, method: str, edit: str, part: str, rows: list[dict[str, Any]]) -> None:
        """Append rows of one process."""
        append(self.folder / "rows" / method / f"{edit}.{part}.jsonl", rows)

    def rows(self, method: str, edit: str) -> dict[int, dict[str, Any]]:
        """All rows so far by seed, of all processes."""
        found = {}
        for file in sorted((self.folder / "rows" / method).glob(f"{edit}.*.jsonl")):
            for line in file.read_text().splitlines():
                try:
                    row = json.loads(line)
                except ValueError:  # the last line of a process that was killed
                    continue
                found[row["seed"]] = row
        return dict(sorted(found.items()))

    def add_features(self, of: str, part: str, seeds: Sequence[int], features: Tensor) -> None:
        """Append Inception's features ``[N, D]`` of images, in half precision.

        Each record is a seed and its D features; a file that ends in part of one is cut first.
        Raises `PandaError` where the file cannot be written.
        """
        file = self.folder / "rows" / f"{of}.{part}.features"
        records = np.zeros(len(seeds), _record(features.shape[1]))
        records["seed"], records["features"] = seeds, features.cpu().half().numpy()
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("ab") as lines:
                lines.truncate(lines.tell() // records.itemsize * records.itemsize)
                lines.write(records.tobytes())
        except OSError as error:
            raise DiskError(f"cannot write {file}: {error.strerror}") from error

    def features(self, of: str, size: int = 2048) -> dict[int, Tensor]:
        """All such features so far by seed, ``[D]`` float32, of all processes."""
        record = _record(size)
        found: dict[int, Tensor] = {}
        for file in sorted((self.folder / "rows").glob(f"{of}.*.features")):
            content = file.read_bytes()
            rows = np.frombuffer(content, record, len(content) // record.itemsize)
            features = torch.from_numpy(rows["features"].astype(np.float32))
            found |= dict(zip(rows["seed"].tolist(), features, strict=True))
        return dict(sorted(found.items()))


def _record(size: int) -> np.dtype[Any]:
    return np.dtype([("seed", "<i8"), ("features", "<f2", (size,))])


def _facts(change: Change, written: Mapping[int, str]) -> dict[str, Any]:
    match change:
        case WChange(_, start, stop):
            return {"kind": "w", "start": start, "stop": stop}
        case ZChange():
            return {"kind": "z"}
        case StyleChange(slot, channel, unit):
            return {"kind": "style", "slot": slot, "channel": channel, "unit": unit}
        case PartChange(factors, edit, refined, focus):
            return {
                "kind": "part",
                "factors": written[id(factors)],
                "parts": list(edit.parts),
                "appearance": edit.appearance,
                "refined": refined,
                "focus": focus,
            }
    raise PandaError(f"a {type(change).__name__} cannot be kept")


def _change(facts: Mapping[str, Any], direction: Tensor | None, folder: Path) -> Change:
    match facts["kind"]:
        case "w" if direction is not None:
            return WChange(direction, facts["start"], facts["stop"])
        case "z" if direction is not None:
            return ZChange(direction)
        case "style":
            return StyleChange(facts["slot"], facts["channel"], facts["unit"])
        case "part":
            edit = Edit(tuple(facts["parts"]), facts["appearance"], 1.0, sigma=True)
            factors = Factors.load(folder / facts["factors"])
            return PartChange(factors, edit, facts["refined"], facts["focus"])
    raise PandaError(f"{folder} holds a change that cannot be read; delete the folder")
