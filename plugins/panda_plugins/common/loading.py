"""Strict loading of official weights under any of the names that their files use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from panda.checkpoints.strict import load_strictly, shape_of
from panda.errors import PandaError
from panda.shapes import CHANNELS

RESOLUTIONS = 10
"""Resolutions to look for: 4, 8, ... 2048 pixels, more than any official network has."""

LARGEST = 16384
"""Pixels on a side of the largest images, many times what any official network makes."""

MAPPING_LAYERS = 32
"""Mapping layers to look for, likewise more than any official network has."""


@dataclass(frozen=True)
class Spelling:
    """How a family of files names and lays out the tensors of a network.

    Attributes:
        origin: Whose names these are, for messages.
        signature: Tensors that only these files have, and their numbers of dimensions.
        name: From our name of a tensor to the file's; None where the file does not contain it.
        value: From our name and the file's tensor to the tensor in our layout.
        ignored: Tensors of the file that are not part of the network.
    """

    origin: str
    signature: Mapping[str, int]
    name: Callable[[str], str | None] = lambda ours: ours
    value: Callable[[str, Tensor], Tensor] = lambda ours, theirs: theirs
    ignored: frozenset[str] = frozenset()

    def fits(self, tensors: Mapping[str, Tensor]) -> bool:
        """Return whether any tensor of the signature is present: a file may be incomplete."""
        return any(
            name in tensors and tensors[name].ndim == dims for name, dims in self.signature.items()
        )


@dataclass(frozen=True)
class NamedTensors:
    """The tensors of a file, read under our names.

    Attributes:
        architecture: Name of the architecture, for messages.
        spelling: How the file names its tensors.
        tensors: The tensors under the file's names.
    """

    architecture: str
    spelling: Spelling
    tensors: Mapping[str, Tensor] = field(repr=False)

    def __contains__(self, ours: str) -> bool:
        return self._theirs(ours) in self.tensors

    def count(self, most: int, names: Callable[[int], Sequence[str]]) -> int:
        """Count the layers of a sequence, missing ones included.

        Args:
            most: Layers to look for.
            names: Our names of the tensors of layer i; any of them shows that the layer exists.

        Returns:
            One more than the index of the last layer, at least 1.
        """
        counts = [i + 1 for i in range(most) if any(name in self for name in names(i))]
        return max(counts, default=1)

    def length(self, names: Sequence[str]) -> int:
        """Return the length that most of these vectors have, so that a wrong one is reported.

        Raises:
            PandaError: The file has none of them.
        """
        lengths = Counter(shape[0] for name in names for shape in self._shapes(name, 1))
        if not lengths:
            raise PandaError(
                f"the tensors are not those of this {self._network}: 1 missing or no vector"
                f" ({self._theirs(names[0])})"
            )
        return lengths.most_common(1)[0][0]

    def start(self, const: str, noise: Sequence[Sequence[str]]) -> tuple[int, int]:
        """Return the height and width that the constant and most noise maps agree on.

        Args:
            const: Our name of the constant, ``[..., H, W]``.
            noise: Our names of the noise maps ``[..., H, W]`` after 0, 1, 2, ... doublings.

        Returns:
            Height and width of the constant; 4 x 4 where the file has nothing that shows them.

        Raises:
            PandaError: Images would be larger than `LARGEST`.
        """
        names = [(const, 0), *((name, k) for k, row in enumerate(noise) for name in row)]
        sizes: Counter[tuple[int, int]] = Counter()
        for name, k in names:
            for *_, height, width in self._shapes(name, 2, 3, 4):
                if height % (1 << k) == 0 == width % (1 << k):
                    sizes[height >> k, width >> k] += 1
        start = sizes.most_common(1)[0][0] if sizes else (4, 4)
        height, width = (side << len(noise) - 1 for side in start)
        if max(height, width) > LARGEST:
            raise PandaError(
                f"this {self.architecture} makes images of {height} x {width} pixels, expected at"
                f" most {LARGEST} on a side"
            )
        return start

    def image_channels(self, outputs: Sequence[str]) -> int:
        """Return what `colors` does for our names of the layers that make images."""
        return colors(
            self.architecture,
            (
                shape[0]
                for part, dims in (("weight", 4), ("bias", 1))
                for output in outputs
                for shape in self._shapes(f"{output}.{part}", dims)
            ),
        )

    def matrix(self, ours: str) -> tuple[int, int]:
        """Return rows and columns of a matrix, in our layout.

        Raises:
            PandaError: The tensor is missing or is not a matrix.
        """
        shape_of(self.tensors, self._theirs(ours), dims=2)
        rows, columns = self._value(ours).shape
        return rows, columns

    def load(self, network: nn.Module, constants: Mapping[str, Tensor]) -> None:
        """Fill a network that was built on the meta device, strictly.

        Args:
            network: The network, with our names.
            constants: Buffers that a file may lack, by the ends of their names.

        Raises:
            PandaError: Tensors are missing, unexpected, misshapen or not finite; the message
                names them.
        """
        values: dict[str, Tensor] = {}
        used = set(self.spelling.ignored)
        for ours, expected in network.state_dict().items():
            theirs = self._theirs(ours)
            constant = next((c for end, c in constants.items() if ours.endswith(end)), None)
            if theirs in self.tensors:
                used.add(theirs)
                values[ours] = self._value(ours).contiguous()
            elif constant is not None:
                values[ours] = constant.expand(expected.shape).contiguous()
        load_strictly(
            network,
            values,
            self._network,
            spelled=self._theirs,
            surplus=[name for name in self.tensors if name not in used],
        )

    def _shapes(self, ours: str, *dims: int) -> Iterator[tuple[int, ...]]:
        """Yield a tensor's shape in our layout, if it is there with so many dimensions."""
        if ours in self:
            shape = tuple(self._value(ours).shape)
            if len(shape) in dims and 0 not in shape:
                yield shape

    def _theirs(self, ours: str) -> str:
        return self.spelling.name(ours) or ""

    def _value(self, ours: str) -> Tensor:
        """Return a tensor in our layout, or unchanged where its shape rules that out.

        The strict check then names it.
        """
        given = self.tensors[self._theirs(ours)]
        try:
            return self.spelling.value(ours, given)
        except (IndexError, RuntimeError):
            return given

    @property
    def _network(self) -> str:
        return f"{self.architecture} in {self.spelling.origin} names"


def colors(architecture: str, counts: Iterable[int]) -> int:
    """Return the channels of the images that most tensors have, so that a wrong one is reported.

    Args:
        architecture: Name of the architecture, for messages.
        counts: The channels that each tensor has; without any, the images are RGB.

    Raises:
        PandaError: The images are neither gray nor RGB nor RGBA.
    """
    votes = Counter(counts)
    channels = votes.most_common(1)[0][0] if votes else 3
    if channels not in CHANNELS:
        raise PandaError(
            f"this {architecture} makes images of {channels} channels, expected 1 (gray), 3 (RGB)"
            " or 4 (RGBA)"
        )
    return channels


def section(facts: Mapping[str, Any], name: str, default: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a group of constructor's arguments that a file gives, or ``default`` without one.

    Raises:
        PandaError: The file gives something else than named arguments.
    """
    value = default if facts.get(name) is None else facts[name]
    if isinstance(value, Mapping):
        return value
    raise PandaError(f"the file says {name}={value!r}, expected named arguments")


def check_activation(*facts: Mapping[str, Any]) -> None:
    """Raise `PandaError` where a file gives another activation than leaky ReLU."""
    for part in facts:
        for name in ("activation", "nonlinearity", "mapping_nonlinearity"):
            if part.get(name, "lrelu") != "lrelu":
                raise PandaError(f"the file says {name}={part[name]!r}, expected 'lrelu'")


def plain_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Strip the prefix ``G_`` from names; some TensorFlow files have it and others do not."""
    return {name.removeprefix("G_"): tensor for name, tensor in tensors.items()}
