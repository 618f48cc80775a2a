"""Strict loading of official weights under any of the spellings their files use."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from panda.checkpoints.strict import load_strictly, shape_of
from panda.errors import PandaError, PandaWarning

RESOLUTIONS = 10
"""4, 8, 16, ... 2048 pixels: more than any official network of these architectures has."""

MAPPING_LAYERS = 32
"""Likewise."""


@dataclass(frozen=True)
class Spelling:
    """How one family of files names and lays out the tensors of a network."""

    origin: str
    """Whose names these are, for messages."""

    signs: Mapping[str, int]
    """Tensors, with their numbers of dimensions, that only these files have."""

    name: Callable[[str], str | None] = lambda ours: ours
    """From our name of a tensor to the file's; None where the file does not hold it."""

    value: Callable[[str, Tensor], Tensor] = lambda ours, theirs: theirs
    """From our name and the file's tensor to the tensor in our layout."""

    ignored: frozenset[str] = frozenset()
    """Tensors of the file that hold nothing of the network."""

    def fits(self, tensors: Mapping[str, Tensor]) -> bool:
        """Whether these tensors bear this spelling's signs (one is enough: a file may be torn)."""
        return any(
            name in tensors and tensors[name].ndim == dims for name, dims in self.signs.items()
        )


@dataclass(frozen=True)
class NamedTensors:
    """The tensors of one file, read under our names."""

    architecture: str
    spelling: Spelling
    tensors: Mapping[str, Tensor] = field(repr=False)

    def __contains__(self, ours: str) -> bool:
        return self._theirs(ours) in self.tensors

    def count(self, most: int, names: Callable[[int], Sequence[str]]) -> int:
        """How far the tensors ``names(0), names(1), ...`` go, gaps included, but at least 1."""
        found = [i + 1 for i in range(most) if any(name in self for name in names(i))]
        return max(found, default=1)

    def length(self, names: Sequence[str]) -> int:
        """The length of vectors that must agree: that of most, so that one wrong one shows."""
        vectors = [self.tensors[self._theirs(name)] for name in names if name in self]
        lengths = Counter(len(vector) for vector in vectors if vector.ndim == 1 and len(vector))
        if not lengths:
            raise PandaError(
                f"the tensors are not those of this {self._network}: 1 missing or no vector"
                f" ({self._theirs(names[0])})"
            )
        return lengths.most_common(1)[0][0]

    def matrix(self, ours: str) -> tuple[int, int]:
        """Rows and columns of a matrix."""
        shape_of(self.tensors, self._theirs(ours), dims=2)
        rows, columns = self._value(ours).shape
        return rows, columns

    def load(self, network: nn.Module, constants: Mapping[str, Tensor]) -> None:
        """Fill a network that was built on the meta device, strictly.

        ``constants`` are buffers (by the ends of their names) that a file may lack. Raises
        `PandaError` that names missing, unexpected, misshapen and not-finite tensors.
        """
        values: dict[str, Tensor] = {}
        used = set(self.spelling.ignored)
        for ours, wanted in network.state_dict().items():
            theirs = self._theirs(ours)
            constant = next((c for end, c in constants.items() if ours.endswith(end)), None)
            if theirs in self.tensors:
                used.add(theirs)
                values[ours] = self._value(ours).contiguous()
            elif constant is not None:
                values[ours] = constant.expand(wanted.shape).contiguous()
        load_strictly(
            network,
            values,
            self._network,
            spelled=self._theirs,
            surplus=[name for name in self.tensors if name not in used],
        )

    def _theirs(self, ours: str) -> str:
        return self.spelling.name(ours) or ""

    def _value(self, ours: str) -> Tensor:
        """A tensor in our layout, or as it is where it cannot be laid out so: the check tells."""
        given = self.tensors[self._theirs(ours)]
        try:
            return self.spelling.value(ours, given)
        except (IndexError, RuntimeError):
            return given

    @property
    def _network(self) -> str:
        return f"{self.architecture} in {self.spelling.origin} names"


def number(facts: Mapping[str, Any], name: str, default: float | None) -> float | None:
    """Read a positive number within reason (or nothing) from what a file says of its network."""
    value = facts.get(name, default)
    if value is None or (isinstance(value, (int, float)) and 0 <= value <= 1 << 32):
        return value
    raise PandaError(
        f"the file says {name}={value!r}, expected a positive number below 2^32 or nothing"
    )


def section(facts: Mapping[str, Any], name: str, default: Mapping[str, Any]) -> Mapping[str, Any]:
    """Read a group of arguments from what a file says of its network."""
    value = default if facts.get(name) is None else facts[name]
    if isinstance(value, Mapping):
        return value
    raise PandaError(f"the file says {name}={value!r}, expected named arguments")


def tell_assumed(architecture: str, config: object, *options: str) -> None:
    """Warn of the options that a file does not say and that no shape of a tensor shows."""
    listed = ", ".join(f"{name}={getattr(config, name)}" for name in options)
    warnings.warn(
        f"the file does not say how its {architecture} was made; {listed} is assumed, and images"
        " are wrong where that does not hold",
        PandaWarning,
        stacklevel=2,
    )


def check_activation(*facts: Mapping[str, Any]) -> None:
    """Raise `PandaError` where a file says that its network has another activation than ours."""
    for part in facts:
        for name in ("activation", "nonlinearity", "mapping_nonlinearity"):
            if part.get(name, "lrelu") != "lrelu":
                raise PandaError(f"the file says {name}={part[name]!r}, expected 'lrelu'")


def plain_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """TensorFlow calls the same sub-networks ``G_synthesis`` and ``synthesis``: the short names."""
    return {name.removeprefix("G_"): tensor for name, tensor in tensors.items()}
