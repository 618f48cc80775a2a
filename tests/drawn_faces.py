"""Features drawn into class maps, so that parsing's stand-ins show a face."""

from torch import Tensor

from panda.metrics.parsing import CLASSES

FEATURES = {
    "left eye": (0.375, 0.3125, 0.05, 0.08),
    "right eye": (0.375, 0.6125, 0.05, 0.08),
    "nose": (0.47, 0.47, 0.1, 0.0625),
    "upper lip": (0.625, 0.41, 0.03, 0.18),
    "mouth interior": (0.655, 0.41, 0.02, 0.18),
    "lower lip": (0.675, 0.41, 0.03, 0.18),
}
"""Top, left, height and width, as shares of the map."""


def draw_features(parsed: Tensor, *left_out: str) -> Tensor:
    """Draw eyes, nose and mouth into class maps ``[N, S, S]``, S at least 64, and return them."""
    for name, box in FEATURES.items():
        if name not in left_out:
            top, left, height, width = (round(share * parsed.shape[1]) for share in box)
            parsed[:, top : top + height, left : left + width] = CLASSES.index(name)
    return parsed
