"""Changes in files: what is JSON of them, what is tensors, and what is factors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from panda.directions.changes import (
    Change,
    FeatureChange,
    LatentChange,
    StyleChange,
    WChange,
    ZChange,
)
from panda.editing.detectors import Detector
from panda.editing.edits import Edit
from panda.editing.local import DetectedChange, LocalChange
from panda.errors import PandaError
from panda.factorization.factors import Factors
from panda.methods.coordinates import CoordinateChange
from panda.methods.parts import PartChange

DETECTOR = "/detector"
"""What follows a goal in the name of the tensor that has the weights of its detector."""


def factors_of(change: Change) -> Factors | None:
    """Return the factors whose parts a change counts, if any."""
    if isinstance(change, PartChange | LocalChange | CoordinateChange):
        return change.factors
    return None


def tensors_of(change: Change, purpose: str) -> dict[str, Tensor]:
    """Return copies of a change's tensors, by names that begin with what it is for.

    They are copies, since two goals may share one, which the file format does not take.
    """
    tensors = {}
    if isinstance(change, DetectedChange):
        tensors[purpose + DETECTOR] = change.detector.weights.cpu().clone()
    moved = change.change if isinstance(change, LocalChange | DetectedChange) else change
    if isinstance(moved, WChange | ZChange | FeatureChange | CoordinateChange):
        tensors[purpose] = moved.direction.detach().float().cpu().clone()
    return tensors


def facts_of(change: Change, written: Mapping[int, str]) -> dict[str, Any]:
    """Return what `read_change` needs beside tensors and factors, as JSON takes it.

    Args:
        change: The change.
        written: The folder of its factors, by the ``id`` of these.

    Raises:
        PandaError: For a change of another kind.
    """
    match change:
        case LocalChange(inner, factors, parts, layer):
            return {
                "kind": "local",
                "change": facts_of(inner, written),
                "factors": written[id(factors)],
                "parts": list(parts),
                "layer": layer,
            }
        case DetectedChange(inner, detector):
            return {
                "kind": "detected",
                "change": facts_of(inner, written),
                "region": detector.region,
                "layer": detector.layer,
                "offset": detector.offset,
            }
        case WChange(_, start, stop):
            return {"kind": "w", "start": start, "stop": stop}
        case ZChange():
            return {"kind": "z"}
        case FeatureChange(_, layer):
            return {"kind": "features", "layer": layer}
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
        case CoordinateChange(factors, parts):
            return {"kind": "coordinates", "factors": written[id(factors)], "parts": list(parts)}
    raise PandaError(f"a {type(change).__name__} cannot be saved")


def read_change(
    facts: Mapping[str, Any], tensors: Mapping[str, Tensor], purpose: str, folder: Path
) -> Change:
    """Return the change of `facts_of`; raise KeyError, TypeError or ValueError for others.

    Args:
        facts: What `facts_of` returned.
        tensors: What `tensors_of` returned, perhaps among others.
        purpose: Likewise.
        folder: Where the folders of factors are.
    """
    direction = tensors.get(purpose)
    match facts["kind"]:
        case "w" if direction is not None:
            start, stop = facts["start"], facts["stop"]
            return WChange(direction, int(start), None if stop is None else int(stop))
        case "z" if direction is not None:
            return ZChange(direction)
        case "features" if direction is not None:
            return FeatureChange(direction, str(facts["layer"]))
        case "local":
            inner = _moved(facts["change"], tensors, purpose, folder)
            factors = Factors.load(folder / facts["factors"])
            return LocalChange(inner, factors, factors.find_parts(facts["parts"]), facts["layer"])
        case "detected":
            inner = _moved(facts["change"], tensors, purpose, folder)
            where = str(facts["region"]), str(facts["layer"]), tensors[purpose + DETECTOR]
            return DetectedChange(inner, Detector(*where, float(facts["offset"])))
        case "style":
            return StyleChange(str(facts["slot"]), int(facts["channel"]), float(facts["unit"]))
        case "part":
            factors = Factors.load(folder / facts["factors"])
            edit = Edit(tuple(facts["parts"]), facts["appearance"], 1.0, sigma=True)
            edit.check(factors)
            return PartChange(factors, edit, bool(facts["refined"]), float(facts["focus"]))
        case "coordinates" if direction is not None:
            factors = Factors.load(folder / facts["factors"])
            return CoordinateChange(factors, factors.find_parts(facts["parts"]), direction)
    raise ValueError(f"no change of kind {facts['kind']!r} can be read")


def _moved(
    facts: Mapping[str, Any], tensors: Mapping[str, Tensor], purpose: str, folder: Path
) -> LatentChange:
    change = read_change(facts, tensors, purpose, folder)
    if not isinstance(change, LatentChange):
        raise ValueError("what is kept inside a place is no change of latents")
    return change
