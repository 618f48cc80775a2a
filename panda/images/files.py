"""Pictures in files: PNGs that are written whole, and read with an error in words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from panda.errors import PandaError, describe_error
from panda.files.writing import no_pipe, staging


def save_picture(picture: Image.Image, path: str | Path) -> None:
    """Write a PNG under a temporary name, and rename it.

    Raises:
        PandaError: The file cannot be written.
    """
    with staging(path) as work:
        picture.save(work, format="PNG")


def read_picture(path: Path, remedy: str = "delete it") -> Image.Image:
    """Read an 8-bit RGB picture that `save_picture` wrote.

    Raises:
        PandaError: Where the file is damaged or cannot be read; ``remedy`` says what to do.
    """
    with _open_picture(path, remedy) as picture:
        return picture.convert("RGB")


def read_gray(path: Path, remedy: str) -> NDArray[np.float32]:
    """Read any PNG as shades of gray ``[H, W]``, 0 for black to 1; transparent is black.

    Raises:
        PandaError: See `read_picture`.
    """
    with _open_picture(path, remedy) as picture:
        if picture.mode.startswith("I"):  # 16 bits, which Pillow's conversions cut off at 255
            return np.asarray(picture, np.float32) / np.float32(65535)
        bands = np.asarray(picture.convert("RGBA").convert("LA"), np.float32) / np.float32(255)
        return bands[..., 0] * bands[..., 1]


@contextmanager
def _open_picture(path: Path, remedy: str) -> Iterator[Image.Image]:
    """Open a PNG; what fails in it or in the block is a `PandaError`."""
    try:
        with Image.open(no_pipe(path), formats=("PNG",)) as picture:
            yield picture
    except PandaError:
        raise
    except Exception as error:  # Pillow's readers raise what they happen to on damaged files
        raise PandaError(
            f"{path} is a damaged picture ({describe_error(error)}); {remedy}"
        ) from error
