"""Photographs from anywhere: shown as they are, or refused in one sentence."""

import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from panda import PandaError
from panda.photographs.photograph import read_photograph


def gradient(width=48, height=40):
    """Red grows to the right, green downwards."""
    red, green = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return np.stack([red, green, np.full_like(red, 90)], -1).round().astype(np.uint8)


def shown(path):
    """The picture in [0, 255], ``[H, W, 3]``."""
    image = read_photograph(path)
    assert image.dtype == torch.float32
    return image.add(1).mul(127.5).permute(1, 2, 0).numpy()


@pytest.mark.parametrize(
    ("name", "within"), [("a.png", 0.01), ("a.bmp", 0.01), ("a.tif", 0.01), ("a.jpg", 12)]
)
def test_a_picture_is_read_as_it_looks(tmp_path, name, within):
    Image.fromarray(gradient()).save(tmp_path / name)
    assert np.abs(shown(tmp_path / name) - gradient()).max() <= within


def test_a_picture_is_turned_as_its_exif_says(tmp_path):
    picture = Image.fromarray(gradient())
    for orientation, turned in (
        (3, picture.transpose(Image.Transpose.ROTATE_180)),
        (6, picture.transpose(Image.Transpose.ROTATE_90)),
        (8, picture.transpose(Image.Transpose.ROTATE_270)),
    ):
        exif = Image.Exif()
        exif[0x0112] = orientation
        turned.save(tmp_path / "a.png", exif=exif)
        assert np.abs(shown(tmp_path / "a.png") - gradient()).max() <= 0.01


def test_transparency_lies_on_white(tmp_path):
    alpha = np.full((40, 48, 1), 255, dtype=np.uint8)
    alpha[:20] = 0
    Image.fromarray(np.concatenate([gradient(), alpha], -1)).save(tmp_path / "a.png")
    found = shown(tmp_path / "a.png")
    assert (found[:20] == 255).all()
    assert np.abs(found[20:] - gradient()[20:]).max() <= 0.01


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK", "I;16"])
def test_other_modes_become_rgb(tmp_path, mode):
    grey = Image.fromarray(gradient()).convert("L")
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    else:
        picture = Image.fromarray(gradient()).convert(mode)
    name = "a.tif" if mode == "CMYK" else "a.png"
    picture.save(tmp_path / name)
    found = shown(tmp_path / name)
    if mode in ("L", "LA", "I;16"):
        assert np.abs(found - np.asarray(grey)[..., None]).max() <= 0.01
    elif mode == "CMYK":
        assert np.abs(found - gradient()).max() <= 4
    else:
        assert found.std() > 10


def test_whole_numbers_of_eight_bits_are_grey_as_they_are(tmp_path):
    grey = Image.fromarray(gradient()).convert("L")
    grey.convert("I").save(tmp_path / "a.tif")
    assert np.abs(shown(tmp_path / "a.tif") - np.asarray(grey)[..., None]).max() <= 0.01


def exif(*entries):
    """EXIF of tags with a type and up to four bytes, as the format lays them out."""
    lines = [
        struct.pack("<HHI", tag, kind, count) + value.ljust(4, b"\0")
        for tag, kind, count, value in entries
    ]
    head = b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(lines))
    return head + b"".join(lines) + struct.pack("<I", 0)


ORIENTATION, WIDTH, SHORT, ASCII = 0x112, 0x11A, 3, 2


@pytest.mark.parametrize(
    ("orientation", "turned"),
    [
        (1, lambda x: x),
        (2, lambda x: x[:, ::-1]),
        (3, lambda x: x[::-1, ::-1]),
        (4, lambda x: x[::-1]),
        (5, lambda x: x.transpose(1, 0, 2)),
        (6, lambda x: np.rot90(x, -1)),
        (7, lambda x: x[::-1, ::-1].transpose(1, 0, 2)),
        (8, lambda x: np.rot90(x)),
        (9, lambda x: x),
    ],
)
def test_pictures_are_turned_as_exif_says_whatever_else_it_says(tmp_path, orientation, turned):
    tags = exif((ORIENTATION, SHORT, 1, bytes([orientation])), (WIDTH, ASCII, 3, b"no\0"))
    Image.fromarray(gradient()).save(tmp_path / "a.png", exif=tags)
    assert np.abs(shown(tmp_path / "a.png") - turned(gradient())).max() <= 0.01


def test_an_orientation_that_is_none_is_left_alone(tmp_path):
    tags = exif((ORIENTATION, ASCII, 3, b"up\0"))
    Image.fromarray(gradient()).save(tmp_path / "a.png", exif=tags)
    assert np.abs(shown(tmp_path / "a.png") - gradient()).max() <= 0.01


def test_a_strip_is_refused(tmp_path):
    Image.new("RGB", (50_000, 40), "red").save(tmp_path / "a.png")
    with pytest.raises(PandaError, match="expected at least 32 each way"):
        read_photograph(tmp_path / "a.png")


def test_large_pictures_are_made_smaller(tmp_path):
    Image.new("RGB", (5000, 2500), "red").save(tmp_path / "a.png")
    assert read_photograph(tmp_path / "a.png").shape == (3, 2048, 4096)


def png(width, height, data=b""):
    """A PNG that says it has so many pixels."""

    def chunk(kind, content):
        checked = kind + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(data))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + body + chunk(b"IEND", b"")


def test_too_many_pixels_are_refused_before_they_are_unpacked(tmp_path):
    for side in (9000, 12_000, 100_000):
        (tmp_path / "bomb.png").write_bytes(png(side, side))
        with pytest.raises(PandaError, match="pixels|cannot be read"):
            read_photograph(tmp_path / "bomb.png")


def test_damaged_and_truncated_files_are_refused(tmp_path):
    Image.fromarray(gradient(200, 160)).save(tmp_path / "a.jpg")
    whole = (tmp_path / "a.jpg").read_bytes()
    for kept in (10, len(whole) // 2, len(whole) - 400):
        (tmp_path / "b.jpg").write_bytes(whole[:kept])
        with pytest.raises(PandaError, match="b.jpg (cannot be read|is no picture)"):
            read_photograph(tmp_path / "b.jpg")


def test_arbitrary_damage_is_a_picture_or_a_sentence(tmp_path):
    dice = np.random.default_rng(0)
    for name in ("a.jpg", "a.png", "a.tif", "a.gif", "a.webp", "a.bmp"):
        Image.fromarray(gradient()).save(tmp_path / name)
        whole = np.frombuffer((tmp_path / name).read_bytes(), np.uint8)
        for _ in range(60):
            damaged = whole.copy()
            damaged[dice.integers(len(whole), size=dice.integers(1, 6))] = dice.integers(256)
            (tmp_path / "b").write_bytes(damaged.tobytes())
            try:
                assert read_photograph(tmp_path / "b").isfinite().all()
            except PandaError:
                continue


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is no picture of a known kind"),
        (b"hello", "is no picture of a known kind; expected JPEG, PNG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n", "is no picture of a known kind"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is no picture of a known kind"),
    ],
)
def test_other_files_are_refused(tmp_path, content, said):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(PandaError, match=said):
        read_photograph(tmp_path / "a")


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(PandaError, match="cannot be read: No such file"):
        read_photograph(tmp_path / "missing.png")
    with pytest.raises(PandaError, match="cannot be read: Is a directory"):
        read_photograph(tmp_path)
    with pytest.raises(PandaError, match="neither a file nor a folder"):
        read_photograph("/dev/zero")


def test_tiny_pictures_and_unknown_ranges_are_refused(tmp_path):
    Image.new("RGB", (500, 31)).save(tmp_path / "a.png")
    with pytest.raises(PandaError, match="500 x 31 pixels, expected at least 32"):
        read_photograph(tmp_path / "a.png")
    Image.fromarray(np.full((40, 40), 0.5, dtype=np.float32)).save(tmp_path / "f.tif")
    with pytest.raises(PandaError, match="gray levels are no whole numbers from 0 to 65535"):
        read_photograph(tmp_path / "f.tif")
