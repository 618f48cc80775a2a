"""Photographs in files, to which an edit goes back: pixels, and everything that is kept of them."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, JpegImagePlugin, PngImagePlugin, features

from panda.errors import PandaError, describe_error, nearest
from panda.files.writing import no_pipe, staging
from panda.photographs.paste import Levels
from panda.photographs.photograph import FORMATS, Origin
from panda.photographs.xmp import with_record

SUFFIXES = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".png": "PNG",
    ".webp": "WEBP",
    ".avif": "AVIF",
}
"""What is written, by the name's end."""

MODES = ("L", "LA", "RGB", "RGBA")

QUALITY = 95
"""Of JPEG, WebP and AVIF where the photograph says none."""

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes a photograph upright, by its orientation in EXIF."""

BACK = {6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
"""What undoes it, where that is another."""


@dataclass(frozen=True, eq=False)
class Original:
    """A photograph as its file has it.

    Attributes:
        path: The file.
        picture: Its pixels as they are stored, 8 bits each, and what else the file holds.
        orientation: In EXIF; 1 is upright.
    """

    path: Path
    picture: Image.Image
    orientation: int

    @staticmethod
    def open(origin: Origin) -> Original:
        """Read the photograph of an inversion again.

        Raises:
            PandaError: It is not there any more, has changed since, or cannot be put together again
                from 8 bits of gray, or of red, green and blue: CMYK, 16 bits, animations.
        """
        path = Path(origin.path)
        check_unchanged(origin)
        with _opened(path) as picture:
            picture.load()
            orientation = int(picture.getexif().get(ExifTags.Base.Orientation, 1))
        return Original(path, picture, orientation)

    @property
    def levels(self) -> Levels:
        """The pixels ``[H, W, C]``, upright."""
        picture = self._plain()
        if self.orientation in TURNS:
            picture = picture.transpose(TURNS[self.orientation])
        levels: Levels = np.array(picture)
        return levels[..., None] if levels.ndim == 2 else levels

    def _plain(self) -> Image.Image:
        mode = _mode(self.picture)
        return self.picture if mode == self.picture.mode else self.picture.convert(mode)

    def save(self, levels: Levels, path: Path, record: Mapping[str, Any]) -> None:
        """Write the photograph with other pixels, and with everything else as it was.

        Args:
            levels: The pixels ``[H, W, C]``, upright.
            path: Where; its end says of which kind. A JPEG of a JPEG keeps its quality.
            record: What was done, for the metadata (XMP).

        Raises:
            PandaError: A file of this kind cannot hold it, or it cannot be written.
        """
        kind = kind_of(path)
        picture = Image.fromarray(levels[..., 0] if levels.shape[2] == 1 else levels)
        if self.orientation in TURNS:
            picture = picture.transpose(BACK.get(self.orientation, TURNS[self.orientation]))
        _check_holds(path, picture.mode, self.path)
        with staging(path) as work:
            try:
                picture.save(work, format=kind, **self._options(kind, record))
            except OSError:
                raise
            except Exception as error:  # Pillow's writers read damaged metadata, and raise anything
                raise PandaError(
                    f"{kind} does not take the metadata of {self.path} ({describe_error(error)});"
                    " write another kind of file"
                ) from error

    def _options(self, kind: str, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return what Pillow is to write beside the pixels."""
        source, info = self.picture, self.picture.info
        options: dict[str, Any] = {}
        if exif := info.get("exif"):
            options["exif"] = exif
        elif self.orientation in TURNS:
            options["exif"] = source.getexif().tobytes()
        for name in ("icc_profile", "dpi"):
            if name in info and (name == "icc_profile" or kind in ("JPEG", "PNG")):
                options[name] = info[name]
        packet = with_record(info.get("xmp"), record, longest=65_000 if kind == "JPEG" else None)
        if kind == "PNG":
            options["pnginfo"] = _texts(getattr(source, "text", {}), packet)
        else:
            options["xmp"] = packet
        if kind == "JPEG":
            options |= self._jpeg()
        elif kind == "WEBP":
            options |= self._webp()
        elif kind == "AVIF":
            options |= {"quality": QUALITY, "subsampling": "4:4:4"}
        return options

    def _jpeg(self) -> dict[str, Any]:
        source = self.picture
        if not isinstance(source, JpegImagePlugin.JpegImageFile):
            return {"quality": QUALITY, "subsampling": 0}
        options: dict[str, Any] = {"qtables": source.quantization}
        if (subsampling := JpegImagePlugin.get_sampling(source)) >= 0:
            options["subsampling"] = subsampling
        if "comment" in source.info:
            options["comment"] = source.info["comment"]
        progressive = bool(source.info.get("progressive"))
        return {**options, "progressive": progressive, "optimize": True}

    def _webp(self) -> dict[str, Any]:
        kind = self.picture.format
        lossy = kind in ("JPEG", "MPO", "AVIF")
        if kind == "WEBP":
            with self.path.open("rb") as file:
                lossy = b"VP8L" not in file.read(64)
        return {"quality": QUALITY} if lossy else {"lossless": True, "exact": True}


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Yield a photograph that can be put together again; raise `PandaError` for others."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of damaged metadata
            with Image.open(no_pipe(path), formats=FORMATS) as picture:
                _check_kind(path, picture)
                yield picture
    except PandaError:
        raise
    except Exception as error:  # Pillow's readers raise what they happen to on damaged files
        raise PandaError(f"{path} cannot be read ({describe_error(error)})") from error


def check_pasting(path: Path, target: Path) -> None:
    """Find out before the work whether an edit can be put into a photograph.

    Args:
        path: The photograph.
        target: What is to be written; its end says of which kind.

    Raises:
        PandaError: `Original.open` or `Original.save` would raise it after the work.
    """
    with _opened(path) as picture:
        _check_holds(target, _mode(picture), path)


def _mode(picture: Image.Image) -> str:
    """Return the mode that holds what a picture shows: of palettes colors, and transparency."""
    mode = "RGB" if picture.mode == "P" else picture.mode
    return f"{mode}A" if picture.has_transparency_data and mode in ("L", "RGB") else mode


def _check_holds(target: Path, mode: str, path: Path) -> None:
    """Raise `PandaError` where a file cannot hold what is transparent in a photograph."""
    if kind_of(target) == "JPEG" and mode not in ("L", "RGB"):
        raise PandaError(
            f"{target}: a JPEG holds no transparency, which {path} has; write a PNG or WebP"
        )


def check_unchanged(origin: Origin) -> None:
    """Raise `PandaError` unless a file is still the one of an inversion."""
    path = Path(origin.path)
    try:
        with no_pipe(path).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise PandaError(
            f"the photograph {path} cannot be read ({error.strerror or error}); put it back, or"
            " invert it where it is now"
        ) from error
    if digest != origin.sha256:
        raise PandaError(
            f"the photograph {path} has changed since it was inverted (sha256 {digest[:16]}..., not"
            f" {origin.sha256[:16]}...); invert it again"
        )


def _check_kind(path: Path, picture: Image.Image) -> None:
    """Raise `PandaError` for a picture that 8 bits of gray or RGB would not hold."""
    if picture.mode not in (*MODES, "P"):
        raise PandaError(
            f"{path} is of mode {picture.mode}, expected 8 bits of gray or RGB; convert it to RGB"
            " first"
        )
    if isinstance(picture, PngImagePlugin.PngImageFile) and ";16" in str(picture.tile):
        raise PandaError(f"{path} has 16 bits for each color, expected 8; convert it first")
    if getattr(picture, "n_frames", 1) > 1 and picture.format != "MPO":
        raise PandaError(f"{path} is an animation, expected a photograph")


def kind_of(path: Path) -> str:
    """Return the kind of picture that a file's name means.

    Raises:
        PandaError: There is none of that end, or Pillow cannot write it here.
    """
    kind = SUFFIXES.get(path.suffix.lower())
    if kind is None:
        raise PandaError(
            f"{path} does not end as a picture{nearest(path.suffix.lower(), SUFFIXES)}"
        )
    if kind == "AVIF" and "avif" not in features.get_supported_modules():
        raise PandaError(f"{path}: Pillow writes no AVIF here; write a PNG or WebP")
    return kind


def suffix_of(path: Path) -> str:
    """Return the end of the name of what is made of a photograph: its own, or ``.png``."""
    return path.suffix if path.suffix.lower() in SUFFIXES else ".png"


def _texts(given: Mapping[str, str], packet: bytes) -> PngImagePlugin.PngInfo:
    """Return the texts of a PNG, with a packet of XMP."""
    texts = PngImagePlugin.PngInfo()
    for key, value in given.items():
        if key != "XML:com.adobe.xmp":
            texts.add_itxt(key, value) if not value.isascii() else texts.add_text(key, value)
    texts.add_itxt("XML:com.adobe.xmp", packet.decode("utf-8", errors="replace"))
    return texts
