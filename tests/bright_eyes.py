"""Stand-ins for what looks at faces: an eye that is as tall and as open as its place is bright."""

import torch

from panda.evaluation.witnesses import Seen
from panda.metrics.parsing import CLASSES


class BrightParser:
    """Sees an eye in the upper left, as tall as the image is bright there; hair never changes."""

    def __init__(self, device="cpu"):
        pass

    def __call__(self, images, size=512):
        parsed = torch.full((len(images), size, size), CLASSES.index("skin"), dtype=torch.uint8)
        parsed[:, : size // 8] = CLASSES.index("hair")
        for row, bright in zip(parsed, _bright(images), strict=True):
            height = int(size / 8 * (1 + bright).clamp(0, 4))
            row[size // 4 : size // 4 + height, size // 4 : size // 2] = CLASSES.index("left eye")
        return parsed


class BrightWitnesses:
    """Sees an eye that is open as far as its place is bright, and no other feature."""

    def __init__(self, device="cpu"):
        pass

    def look(self, images):
        bright = _bright(images).double()
        return Seen({"eye opening": bright}, bright[:, None].expand(-1, 128))


def _bright(images):
    return images[..., images.shape[-2] // 8 :, : images.shape[-1] // 2].mean((1, 2, 3))


def look_at_bright_eyes(patch):
    """Let these look at faces in a benchmark of locality, and fit its parts to few samples."""
    patch.setattr("panda.evaluation.locality.LPIPS", lambda device: _difference)
    patch.setattr("panda.evaluation.locality.FaceParser", BrightParser)
    patch.setattr("panda.evaluation.locality.Witnesses", BrightWitnesses)
    patch.setattr("panda.evaluation.localized.SAMPLES", 20)
    patch.setattr("panda.evaluation.faces.show_face", lambda parsed: torch.ones(len(parsed)) > 0)


def _difference(before, after):
    return (before - after).abs().mean(1)
