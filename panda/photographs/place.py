"""Where in which file a picture was cut: what an inversion remembers, and goes back to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from panda.errors import PandaError
from panda.photographs.photograph import Origin
from panda.photographs.squares import Square


@dataclass(frozen=True)
class Place:
    """A square of a photograph.

    Attributes:
        origin: The photograph's file.
        square: In pixels of the photograph at its full size, turned as EXIF says.
    """

    origin: Origin
    square: Square

    @staticmethod
    def of(origin: Origin, square: Square, pixels: Tensor) -> Place:
        """Return the place of a square in ``pixels``, a perhaps smaller copy ``[C, H, W]``."""
        times = max(origin.width, origin.height) / max(pixels.shape[1:])
        return Place(origin, Square(square.center * times, square.right * times))

    def to_json(self) -> dict[str, Any]:
        """Return it as config.json has it; places are ``[x, y]``, and ``right`` is a way."""
        center, right = self.square.center, self.square.right
        return {
            "path": self.origin.path,
            "sha256": self.origin.sha256,
            "size": [self.origin.width, self.origin.height],
            "center": [round(center.real, 4), round(center.imag, 4)],
            "right": [round(right.real, 4), round(right.imag, 4)],
        }

    @staticmethod
    def from_json(text: Any) -> Place:
        """Read what `to_json` returned.

        Raises:
            PandaError: It is something else.
        """
        try:
            numbers = [float(number) for key in ("center", "right") for number in text[key]]
            width, height = (int(number) for number in text["size"])
            center, right = (complex(*numbers[k : k + 2]) for k in (0, 2))
            origin = Origin(str(text["path"]), str(text["sha256"]), width, height)
        except (TypeError, KeyError, ValueError) as error:
            raise PandaError(
                f"{text!r:.80} is no place in a photograph ({error}); invert the photograph again"
            ) from error
        if not abs(right) > 0:
            raise PandaError(f"{text!r:.80} is no place in a photograph: its square is empty")
        return Place(origin, Square(center, right))


def places_of(config: Mapping[str, Any]) -> list[Place | None]:
    """Return the place of each picture of an inversion; None where it came from no file.

    Raises:
        PandaError: The inversion is of an earlier version that kept none, or they are damaged.
    """
    given = config.get("photographs")
    if not isinstance(given, list) or len(given) != len(config["lpips"]):
        raise PandaError(
            "this inversion does not say where in which photographs its pictures were cut; invert"
            " them again with 'panda invert'"
        )
    return [None if each is None else Place.from_json(each) for each in given]
