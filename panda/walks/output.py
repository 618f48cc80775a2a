"""Where a walk goes: a film (MP4, WebP, GIF), a sheet of pictures (PNG), or a folder of frames.

A frame is made, written and forgotten, so that the length of a walk takes no memory, but for what
WebP's encoder keeps of frames that it has compressed.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from PIL import GifImagePlugin, Image

from panda.errors import PandaError, nearest
from panda.files.ownership import MANIFEST, check_files, check_folder, replacing, updating
from panda.files.writing import check_target, staging
from panda.images import opaque, save_picture, sheet, to_picture
from panda.progress import bar
from panda.walks.images import Walk

FRAMES = "frames of a walk"
"""What a folder of frames is called where another one would be replaced."""

SETTINGS = "walk.json"

THUMB = 256
"""Pixels of the longer side of a picture in a sheet."""

FASTEST = 100
"""The most frames a second; the clock of a GIF has hundredths."""


def check_output(out: Path, fps: float) -> None:
    """Find out before the work whether a walk can be written.

    Raises:
        PandaError: For a suffix that none of the formats has, where PyAV is missing or the file or
            folder cannot be written, and for no such number of frames a second.
    """
    suffix = out.suffix.lower()
    if suffix and suffix not in WRITERS and not out.is_dir():
        raise PandaError(
            f"--out {out} ends with {suffix}{nearest(suffix, WRITERS)}, or no suffix for a folder"
            " of frames"
        )
    if not 0 < fps <= FASTEST:
        raise PandaError(f"{fps:g} frames a second, expected more than 0 and up to {FASTEST}")
    if suffix == ".mp4":
        _load_av()
    if suffix in WRITERS:
        if out.is_dir():
            raise PandaError(f"{out} is a folder; name a file, or a folder without {suffix}")
        check_target(out)
    elif (out / MANIFEST).exists():
        check_files(out, FRAMES, ())
    else:
        check_folder(out, FRAMES)


def write_walk(walk: Walk, out: Path, fps: float) -> int:
    """Write all frames; return how many were there already, as they are only in a folder.

    Args:
        walk: The walk.
        out: ``.mp4``, ``.webp``, ``.gif``, ``.png`` for a sheet, or a folder of frames. What is in
            a folder stays if a walk with the same settings wrote it.
        fps: Frames a second of a film.

    Raises:
        PandaError: See `check_output`.
    """
    check_output(out, fps)
    write = WRITERS.get(out.suffix.lower())
    if write is None:
        return _write_frames(walk, out)
    with staging(out) as work:
        write(_pictures(walk), len(walk), work, fps)
    return 0


def _pictures(walk: Walk) -> Iterator[Image.Image]:
    with bar(total=len(walk), desc="walk", unit="frame") as progress:
        for image in walk:
            yield to_picture(image)
            progress.update()


def _write_frames(walk: Walk, out: Path) -> int:
    """Write a PNG for each frame that is not there yet."""
    text = json.dumps(walk.settings, indent=1) + "\n"
    settings = out / SETTINGS
    if not settings.is_file() or settings.read_bytes() != text.encode():
        with replacing(out, FRAMES) as work:
            (work / SETTINGS).write_text(text, encoding="utf-8")
    digits = max(4, len(str(len(walk) - 1)))
    names = [f"{frame:0{digits}}.png" for frame in range(len(walk))]
    missing = [frame for frame, name in enumerate(names) if not (out / name).exists()]
    with bar(total=len(walk), initial=len(walk) - len(missing), desc="walk", unit="frame") as shown:
        for frame in missing:
            picture = to_picture(walk[frame])
            with updating(out, FRAMES) as work:
                save_picture(picture, work / names[frame])
            shown.update()
    return len(walk) - len(missing)


def _write_sheet(pictures: Iterator[Image.Image], count: int, out: Path, fps: float) -> None:
    """Write all frames side by side, in a row where they are up to eight."""
    small = []
    for picture in pictures:
        picture.thumbnail((THUMB, THUMB))
        small.append(picture)
    columns = count if count <= 8 else math.ceil(math.sqrt(count))
    rows = [small[start : start + columns] for start in range(0, count, columns)]
    sheet(rows).save(out, format="PNG")


def _write_gif(pictures: Iterator[Image.Image], count: int, out: Path, fps: float) -> None:
    """Write a GIF, each frame with a table of its own 256 colors.

    Pillow compresses the frames. It would keep all of them until the last one, so that the few
    bytes before and after them are written here (GIF89a, appendix B).
    """
    with out.open("wb") as file:
        for number, picture in enumerate(pictures):
            if number == 0:
                size = struct.pack("<HH", *picture.size)
                file.write(b"GIF89a" + size + b"\x00\x00\x00")  # no colors that frames share
                file.write(b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00")  # again and again
            # Hundredths of a second from the start, so that their rounding does not add up.
            ticks = round(100 * (number + 1) / fps) - round(100 * number / fps)
            colors = opaque(picture).quantize()
            parts = GifImagePlugin.getdata(colors, duration=10 * ticks, include_color_table=True)
            file.writelines(parts)
        file.write(b";")


class _Film(Image.Image):
    """Pictures one after the other, as Pillow sees those in a file: it asks for one at a time."""

    def __init__(self, pictures: Iterator[Image.Image], count: int) -> None:
        super().__init__()
        self._pictures, self._frame, self.n_frames = pictures, -1, count
        self.seek(0)

    def seek(self, frame: int) -> None:
        if frame == self._frame + 1:
            picture = next(self._pictures)
            self.im, self._mode, self._size = picture.im, picture.mode, picture.size
            self._frame = frame

    def tell(self) -> int:
        return self._frame


def _write_webp(pictures: Iterator[Image.Image], count: int, out: Path, fps: float) -> None:
    times = [round(1000 * frame / fps) for frame in range(count + 1)]
    durations = [end - start for start, end in pairwise(times)]
    film = _Film(pictures, count)
    film.save(out, format="WEBP", save_all=True, duration=durations, loop=0, quality=90)


def _write_mp4(pictures: Iterator[Image.Image], count: int, out: Path, fps: float) -> None:
    """Write H.264 with colors at half the size, which every player takes.

    That needs even sides: an odd one loses its last pixels.
    """
    av = _load_av()
    with av.open(str(out), "w", format="mp4", options={"movflags": "faststart"}) as container:
        stream = container.add_stream(
            "libx264", rate=Fraction(fps).limit_denominator(1001), options={"crf": "16"}
        )
        stream.pix_fmt = "yuv420p"
        for number, picture in enumerate(pictures):
            pixels = np.asarray(opaque(picture))
            height, width = (side - side % 2 for side in pixels.shape[:2])
            if number == 0:
                stream.width, stream.height = width, height
            frame = av.VideoFrame.from_ndarray(
                np.ascontiguousarray(pixels[:height, :width]), format="rgb24"
            )
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _load_av() -> Any:
    try:
        import av
    except ImportError as error:
        raise PandaError(
            f"an MP4 needs PyAV ({error}); pip install 'panda-parts[video]', or write a .webp, a"
            " .gif or a folder of frames"
        ) from error
    return av


WRITERS: dict[str, Callable[[Iterator[Image.Image], int, Path, float], None]] = {
    ".mp4": _write_mp4,
    ".webp": _write_webp,
    ".gif": _write_gif,
    ".png": _write_sheet,
}
"""What writes a file, by its suffix."""
