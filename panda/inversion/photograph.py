"""Photographs from anywhere, as what they show: upright, RGB or RGBA, no larger than is of use."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from panda.errors import PandaError, describe_error
from panda.files.tilde import expand
from panda.files.writing import no_pipe

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM")
"""Pillow knows many more, among them some that call other programs."""

MOST = 80_000_000
"""Pixels that a picture may have; Pillow itself warns of more than 89 million."""

LEAST = 32
"""Height and width that a picture needs."""

SIDE = 4096
"""Longer pictures are made smaller: no generator shows more of a face."""


def read_photograph(path: Path | str, *, alpha: bool = False) -> Tensor:
    """Read a picture: turned as EXIF says, transparency on white, an animation's first frame.

    Args:
        path: A file of one of `FORMATS`.
        alpha: Whether transparency is kept, as a fourth channel.

    Returns:
        ``[3, H, W]`` in [-1, 1], RGB, at most `SIDE` pixels high and wide; with ``alpha``
        ``[4, H, W]``.

    Raises:
        PandaError: For a file that cannot be read, is none of `FORMATS`, is damaged or truncated,
            has too many or too few pixels, or levels of unknown range.
    """
    path = expand(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of damaged metadata, and of sizes: checked below
            with Image.open(no_pipe(path), formats=FORMATS) as opened:
                return from_picture(opened, str(path), alpha=alpha)
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


def from_picture(picture: Image.Image, name: str, *, alpha: bool = False) -> Tensor:
    """Return a picture of any mode as `read_photograph` does; errors call it by ``name``.

    Raises:
        PandaError: Where it has too many or too few pixels, or levels of unknown range.
    """
    _check_size(name, picture.size)
    picture = _to_colors(name, _upright(picture), "RGBA" if alpha else "RGB")
    picture.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    _check_size(name, picture.size)
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 127.5 - 1


def _check_size(name: str, size: tuple[int, int]) -> None:
    width, height = size
    if width * height > MOST:
        raise PandaError(f"{name} has {width} x {height} pixels, expected at most {MOST:,} in all")
    if min(width, height) < LEAST:
        raise PandaError(
            f"{name} has {width} x {height} pixels, expected at least {LEAST} each way"
        )


def _upright(picture: Image.Image) -> Image.Image:
    """Turn a picture as its EXIF says."""
    picture.getexif()  # which Pillow keeps; it would fail to write other tags that are malformed
    picture.info.pop("exif", None)
    return ImageOps.exif_transpose(picture)


def _to_colors(name: str, picture: Image.Image, mode: str) -> Image.Image:
    """Return a copy in 8-bit RGB or RGBA, of any mode."""
    if picture.mode.startswith(("I", "F")):
        return Image.fromarray(_to_bytes(name, np.asarray(picture))).convert(mode)
    if picture.has_transparency_data and mode == "RGB":
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture).convert("RGB")
    return picture.convert(mode)


def _to_bytes(name: str, levels: np.ndarray) -> np.ndarray:
    """Return gray levels of 8 or 16 bits as 8-bit ones; raise `PandaError` for any others."""
    if levels.dtype.kind not in "iu" or levels.min() < 0 or levels.max() > 65535:
        raise PandaError(f"{name}: gray levels are no whole numbers from 0 to 65535")
    return np.asarray(levels // (257 if levels.max() > 255 else 1), dtype=np.uint8)
