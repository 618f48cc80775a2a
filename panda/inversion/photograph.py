"""Photographs from anywhere, as what they show: upright, RGB, no larger than is of use."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import ExifTags, Image, UnidentifiedImageError
from torch import Tensor

from panda.errors import PandaError, describe_error
from panda.files.writing import no_pipe

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM")
"""Pillow knows many more, among them some that call other programs."""

MOST = 80_000_000
"""Pixels that a picture may have; Pillow itself warns of more than 89 million."""

LEAST = 32
"""Height and width that a picture needs."""

TURNED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What EXIF's orientations ask for."""

SIDE = 4096
"""Longer pictures are made smaller: no generator shows more of a face."""


def read_photograph(path: Path | str) -> Tensor:
    """Read a picture as ``[3, H, W]`` in [-1, 1]: turned as its EXIF says, transparency on white.

    Of an animation it is the first frame. Raises `PandaError` for a file that cannot be read, is
    none of `FORMATS`, is damaged or truncated, has too many or too few pixels, or no known range.
    """
    path = Path(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of damaged metadata, and of sizes: checked below
            with Image.open(no_pipe(path), formats=FORMATS) as opened:
                _check_size(path, opened.size)
                picture = _to_rgb(path, opened)
    except PandaError:
        raise
    except UnidentifiedImageError:
        raise PandaError(
            f"{path} is no picture of a known kind; expected {', '.join(FORMATS)}"
        ) from None
    except Image.DecompressionBombError:
        raise PandaError(f"{path} has more than the {MOST:,} pixels that are read") from None
    except OSError as error:
        raise PandaError(
            f"{path} cannot be read: {error.strerror or describe_error(error)}"
        ) from error
    except Exception as error:  # Pillow's readers raise what they happen to on damaged files
        raise PandaError(f"{path} is a damaged picture ({describe_error(error)})") from error
    picture.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    _check_size(path, picture.size)
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 127.5 - 1


def _check_size(path: Path, size: tuple[int, int]) -> None:
    width, height = size
    if width * height > MOST:
        raise PandaError(f"{path} has {width} x {height} pixels, expected at most {MOST:,} in all")
    if min(width, height) < LEAST:
        raise PandaError(
            f"{path} has {width} x {height} pixels, expected at least {LEAST} each way"
        )


def _to_rgb(path: Path, opened: Image.Image) -> Image.Image:
    """8-bit RGB from any mode, turned as the file's EXIF says."""
    orientation = opened.getexif().get(ExifTags.Base.Orientation)
    if opened.mode.startswith(("I", "F")):
        picture = Image.fromarray(_to_bytes(path, np.asarray(opened))).convert("RGB")
    elif opened.has_transparency_data:
        picture = opened.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture).convert("RGB")
    else:
        picture = opened.convert("RGB")
    way = TURNED.get(orientation) if isinstance(orientation, int) else None
    return picture if way is None else picture.transpose(way)


def _to_bytes(path: Path, levels: np.ndarray) -> np.ndarray:
    """Grey levels of 8 or 16 bits as 8-bit ones; raises `PandaError` where they are others."""
    if levels.dtype.kind not in "iu" or levels.min() < 0 or levels.max() > 65535:
        raise PandaError(f"{path}: grey levels are no whole numbers from 0 to 65535")
    return np.asarray(levels // (257 if levels.max() > 255 else 1), dtype=np.uint8)
