"""Photographs from anywhere, as what they show: upright, RGB or RGBA, no larger than is of use."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError, features
from torch import Tensor

from panda.errors import PandaError, describe_error
from panda.files.tilde import expand
from panda.files.writing import no_pipe

_AVIF = ("AVIF",) if "avif" in features.get_supported_modules() else ()  # since Pillow 11.3

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", *_AVIF)
"""Pillow knows many more, among them some that call other programs."""

MOST = 80_000_000
"""Pixels that a picture may have; Pillow itself warns of more than 89 million."""

LEAST = 32
"""Height and width that a picture needs."""

SIDE = 4096
"""Longer pictures are made smaller: no generator shows more of a face."""


@dataclass(frozen=True)
class Origin:
    """The file that a photograph was read from.

    Attributes:
        path: From the root.
        sha256: Of its bytes.
        width: In pixels, turned as EXIF says.
        height: Likewise.
    """

    path: str
    sha256: str
    width: int
    height: int


@dataclass(frozen=True, eq=False)
class Photograph:
    """A photograph, or a picture that is aligned already.

    Attributes:
        pixels: ``[C, H, W]`` in [-1, 1], at most `SIDE` pixels high and wide where it was read.
        name: What errors call it; may be empty.
        origin: Its file, where there is one.
        aligned: Whether it is a picture as the generator makes them.
    """

    pixels: Tensor
    name: str = ""
    origin: Origin | None = None
    aligned: bool = False

    @staticmethod
    def read(path: Path | str, *, alpha: bool = True) -> Photograph:
        """Read a file as `read_photograph` does; ``alpha`` says whether transparency is kept.

        Raises:
            PandaError: See `read_photograph`.
        """
        pixels, (width, height) = _read(expand(path), alpha)
        with expand(path).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        origin = Origin(str(expand(path).absolute()), digest, width, height)
        return Photograph(pixels, str(path), origin)


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
    return _read(expand(path), alpha)[0]


def _read(path: Path, alpha: bool) -> tuple[Tensor, tuple[int, int]]:
    """Return what a file shows, and its width and height before it is made smaller."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of damaged metadata, and of sizes: checked below
            with Image.open(no_pipe(path), formats=FORMATS) as opened:
                upright = _upright(_of_usual_size(opened, str(path)))
                return _to_tensor(upright, str(path), alpha), upright.size
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
    return _to_tensor(_upright(_of_usual_size(picture, name)), name, alpha)


def _to_tensor(upright: Image.Image, name: str, alpha: bool) -> Tensor:
    picture = _to_colors(name, upright, "RGBA" if alpha else "RGB")
    picture.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    _of_usual_size(picture, name)
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 127.5 - 1


def _of_usual_size(picture: Image.Image, name: str) -> Image.Image:
    """Return the picture; raise `PandaError` where it has too many or too few pixels."""
    width, height = picture.size
    if width * height > MOST:
        raise PandaError(f"{name} has {width} x {height} pixels, expected at most {MOST:,} in all")
    if min(width, height) < LEAST:
        raise PandaError(
            f"{name} has {width} x {height} pixels, expected at least {LEAST} each way"
        )
    return picture


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
