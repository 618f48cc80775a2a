"""Photographs in files after an edit: pixels, metadata, kinds of files."""

import hashlib
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image, ImageCms, features

from panda import PandaError
from panda.generators.contract import Latents
from panda.inversion import Inversion
from panda.inversion.pasting import Pasting
from panda.photographs.photograph import Photograph
from panda.photographs.place import Place
from panda.photographs.squares import Square

PHOTOGRAPH = Path(__file__).parents[1] / "photographs" / "collins.jpg"
SIDE = 64
GRAIN = np.random.default_rng(0).integers(30, 220, (96, 128, 3), np.uint8)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def inversion_of(*places):
    """An inversion of crops of photographs, that needs no generator."""
    pictures = torch.zeros(len(places), 3, SIDE, SIDE)
    config = {
        "lpips": [0.0] * len(places),
        "pictures": [],
        "photographs": [place and place.to_json() for place in places],
    }
    latents = Latents(tuple(range(len(places))), {"z": torch.zeros(len(places), 2)}, "drawn")
    return Inversion.of("drawn", latents, pictures, pictures, config)


def place_in(path, square):
    photograph = Photograph.read(path)
    return Place.of(photograph.origin, square, photograph.pixels)


def edit(path, folder, *squares, by=0.5, **options):
    """Paste crops that are brighter in the middle; the file that is written."""
    folder.mkdir(exist_ok=True)
    squares = squares or (Square(64 + 48j, 30 + 0j),)
    pasting = Pasting(
        inversion_of(*(place_in(path, square) for square in squares)),
        {"edits": "smile:1 & <more>"},
        **options,
    )
    before = torch.zeros(3, SIDE, SIDE)
    after = before.clone()
    after[:, 24:40, 24:40] += by
    *rest, last = [pasting.add(row, before, after) for row in range(len(squares))]
    assert rest == [None] * len(rest)
    return last.save(folder / last.name)


def pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture)


def test_an_unedited_crop_leaves_the_photograph_to_the_bit(tmp_path):
    Image.fromarray(GRAIN).save(tmp_path / "me.png")
    file = edit(tmp_path / "me.png", tmp_path / "out", by=0)
    assert file.name == "me.png" and np.array_equal(pixels(file), GRAIN)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_that_lies_on_its_side_stays_like_that(tmp_path, orientation):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.Make] = "Camera"
    path = tmp_path / "me.png"
    Image.fromarray(GRAIN).save(path, exif=exif)
    height, width = Photograph.read(path).pixels.shape[1:]
    assert (height > width) == (orientation > 4)
    file = edit(path, tmp_path / "out", Square(40 + 30j, 25 + 0j))
    with Image.open(path) as before, Image.open(file) as after:
        assert dict(after.getexif()) == dict(before.getexif())
        assert after.size == before.size
    shown, was = (Photograph.read(each).pixels for each in (file, path))
    moved = (shown - was).abs().amax(0)
    assert moved[26:34, 36:44].min() > 0.05
    changed = (moved > 0).nonzero()
    assert (changed - torch.tensor([30, 40])).abs().max() < 16
    assert len(changed) < 900


def test_color_profile_resolution_and_texts_stay(tmp_path):
    from PIL.PngImagePlugin import PngInfo

    texts = PngInfo()
    texts.add_text("Author", "me")
    path = tmp_path / "me.png"
    Image.fromarray(GRAIN).save(path, icc_profile=PROFILE, dpi=(300, 300), pnginfo=texts)
    with Image.open(edit(path, tmp_path / "out")) as after:
        assert after.info["icc_profile"] == PROFILE and after.text["Author"] == "me"
        assert after.info["dpi"] == pytest.approx((300, 300), abs=0.1)


@pytest.mark.parametrize("kind", ["png", "jpg", "webp", "avif"])
def test_what_was_edited_stands_in_the_metadata(tmp_path, kind):
    if kind == "avif" and "avif" not in features.get_supported_modules():
        pytest.skip("Pillow has no AVIF here")
    path = tmp_path / "me.png"
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Camera"
    Image.fromarray(GRAIN).save(path, icc_profile=PROFILE, exif=exif)
    file = edit(path, tmp_path / "out", kind=kind)
    assert file.name == f"me.{kind}"
    with Image.open(file) as picture:
        packet = picture.info["xmp"]
        packet = packet if isinstance(packet, str) else packet.decode()
        assert picture.info["icc_profile"] == PROFILE
        assert picture.getexif()[ExifTags.Base.Make] == "Camera"
    assert 'panda:edits="smile:1 &amp; &lt;more&gt;"' in packet and 'generator="drawn"' in packet
    assert hashlib.sha256(path.read_bytes()).hexdigest() in packet
    assert "compositeWithTrainedAlgorithmicMedia" in packet


def test_metadata_of_an_edited_photograph_says_both_edits(tmp_path):
    path = tmp_path / "me.png"
    Image.fromarray(GRAIN).save(path)
    once = edit(path, tmp_path / "once")
    with Image.open(edit(once, tmp_path / "twice")) as picture:
        packet = picture.info["xmp"]
    packet = packet if isinstance(packet, str) else packet.decode()
    assert packet.count("panda:edits=") == 2 and packet.count("DigitalSourceType=") == 1


def test_a_jpeg_keeps_the_tables_of_its_quality(tmp_path):
    with Image.open(PHOTOGRAPH) as collins:
        options = {"quality": 88, "subsampling": 1, "comment": b"mine", "progressive": True}
        collins.save(tmp_path / "me.jpg", **options)
    file = edit(tmp_path / "me.jpg", tmp_path / "out")
    with Image.open(tmp_path / "me.jpg") as before, Image.open(file) as after:
        assert after.quantization == before.quantization and after.layer == before.layer
        assert after.info["comment"] == b"mine" and after.info["progressive"]
        far = np.asarray(after, float)[96:] - np.asarray(before, float)[96:]
    assert np.abs(far).mean() < 0.5  # rounding, and the colors of half the width


def test_several_faces_of_one_photograph_are_each_put_back(tmp_path):
    path = tmp_path / "us.png"
    Image.fromarray(GRAIN).save(path)
    file = edit(path, tmp_path / "out", Square(30 + 48j, 25 + 0j), Square(98 + 48j, 25 + 0j))
    moved = np.abs(pixels(file).astype(float) - GRAIN).max(2) > 0
    assert moved[48, 30] and moved[48, 98] and not moved[:, 60:68].any()


def test_photographs_of_one_name_have_two_afterwards(tmp_path):
    places = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        Image.fromarray(GRAIN).save(tmp_path / folder / "me.png")
        places.append(place_in(tmp_path / folder / "me.png", Square(64 + 48j, 30 + 0j)))
    pasting = Pasting(inversion_of(*places), {})
    nothing = torch.zeros(3, SIDE, SIDE)
    names = [pasting.add(row, nothing, nothing).name for row in range(2)]
    assert names == ["me.png", "me-2.png"]


def test_a_photograph_takes_no_name_of_another_file(tmp_path):
    Image.fromarray(GRAIN).save(tmp_path / "0000.PNG")
    place = place_in(tmp_path / "0000.PNG", Square(64 + 48j, 30 + 0j))
    nothing = torch.zeros(3, SIDE, SIDE)
    pasting = Pasting(inversion_of(place), {}, taken=["sheet.png", "0000.png"])
    assert pasting.add(0, nothing, nothing).name == "0000-2.PNG"


def test_one_place_is_not_edited_twice(tmp_path):
    Image.fromarray(GRAIN).save(tmp_path / "me.png")
    place = place_in(tmp_path / "me.png", Square(64 + 48j, 30 + 0j))
    with pytest.raises(PandaError, match="pictures 0 and 1 of this inversion are one place of"):
        Pasting(inversion_of(place, place), {})


@pytest.mark.parametrize(("bands", "color"), [(3, (0, 0, 0)), (1, 0)])
def test_a_transparent_color_stays_transparent(tmp_path, bands, color):
    levels = GRAIN.copy()
    levels[:20] = 0
    picture = Image.fromarray(levels if bands == 3 else levels[..., 0])
    picture.save(tmp_path / "me.png", transparency=color)
    with Image.open(edit(tmp_path / "me.png", tmp_path / "out")) as after:
        alpha = np.asarray(after.convert("RGBA"))[..., 3]
    assert (alpha[:20] == 0).all() and (alpha[20:] == 255).all()
    with pytest.raises(PandaError, match="a JPEG holds no transparency"):
        edit(tmp_path / "me.png", tmp_path / "out", kind="jpg")


def test_modes_that_eight_bits_hold_stay(tmp_path):
    alpha = np.dstack([GRAIN, GRAIN[..., 0]])
    for name, picture in (
        ("gray", Image.fromarray(GRAIN[..., 0])),
        ("clear", Image.fromarray(alpha)),
        ("both", Image.fromarray(np.ascontiguousarray(alpha[..., 2:]))),
        ("few", Image.fromarray(GRAIN).quantize(64)),
    ):
        picture.save(tmp_path / f"{name}.png")
        with Image.open(edit(tmp_path / f"{name}.png", tmp_path / "out")) as after:
            assert after.mode == (picture.mode if picture.mode != "P" else "RGB")
            moved = np.asarray(after, float) - np.asarray(picture.convert(after.mode), float)
        assert moved.any() and not moved[:, :40].any()


def saved(path, picture, **options):
    picture.save(path, **options)
    return path


@pytest.mark.parametrize(
    ("name", "make", "said"),
    [
        ("me.jpg", lambda: Image.fromarray(GRAIN).convert("CMYK"), "is of mode CMYK, expected 8 b"),
        ("me.png", lambda: Image.fromarray(GRAIN[..., 0].astype(np.uint16)), "is of mode I;16, ex"),
    ],
)
def test_what_eight_bits_do_not_hold_is_refused(tmp_path, name, make, said):
    path = saved(tmp_path / name, make())
    with pytest.raises(PandaError, match=said):
        edit(path, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_sixteen_bits_of_each_color_are_refused(tmp_path):
    """Pillow reads eight of them."""

    def chunk(kind, data):
        whole = kind + data
        return struct.pack(">I", len(data)) + whole + struct.pack(">I", zlib.crc32(whole))

    levels = np.random.default_rng(1).integers(0, 65536, (48, 64, 3)).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in levels)
    header = struct.pack(">IIBBBBB", 64, 48, 16, 2, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    (tmp_path / "me.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    with pytest.raises(PandaError, match=r"me.png has 16 bits for each color, expected 8"):
        edit(tmp_path / "me.png", tmp_path / "out", Square(32 + 24j, 15 + 0j))


def test_an_animation_is_refused(tmp_path):
    frames = [Image.fromarray(GRAIN), Image.fromarray(GRAIN[::-1].copy())]
    frames[0].save(tmp_path / "me.webp", save_all=True, append_images=frames[1:])
    with pytest.raises(PandaError, match="is an animation, expected a photograph"):
        edit(tmp_path / "me.webp", tmp_path / "out")


def test_transparency_does_not_become_a_jpeg(tmp_path):
    Image.fromarray(np.dstack([GRAIN, GRAIN[..., 0]])).save(tmp_path / "me.png")
    with pytest.raises(PandaError, match="a JPEG holds no transparency, which .*me.png has"):
        edit(tmp_path / "me.png", tmp_path / "out", kind="jpg")


@pytest.mark.skipif(
    "avif" not in features.get_supported_modules(), reason="Pillow has no AVIF here"
)
def test_damaged_metadata_are_kept_or_refused(tmp_path):
    path = saved(tmp_path / "me.jpg", Image.fromarray(GRAIN), exif=b"Exif\0\0garbage!!")
    with Image.open(edit(path, tmp_path / "out")) as after:
        assert b"garbage" in after.info["exif"]
    with pytest.raises(PandaError, match="AVIF does not take the metadata of .*me.jpg .*; write a"):
        edit(path, tmp_path / "out", kind="avif")
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["me.jpg"]


def test_a_photograph_that_changed_or_left_is_refused(tmp_path):
    path = tmp_path / "me.png"
    Image.fromarray(GRAIN).save(path)
    inversion = inversion_of(place_in(path, Square(64 + 48j, 30 + 0j)))
    Image.fromarray(GRAIN[::-1].copy()).save(path)
    with pytest.raises(PandaError, match=r"me.png has changed since it was inverted \(sha256"):
        Pasting(inversion, {})
    path.unlink()
    with pytest.raises(PandaError, match=r"me.png cannot be read \(No such file"):
        Pasting(inversion, {})


def test_pictures_without_a_file_are_refused():
    with pytest.raises(PandaError, match="picture 0 of this inversion came from no file"):
        Pasting(inversion_of(None), {})
    with pytest.raises(PandaError, match="does not say where in which photographs"):
        old = inversion_of(None)
        Pasting(
            Inversion(old.generator, old.latents, old.pictures, old.pictures, {"lpips": [0]}), {}
        )
    with pytest.raises(PandaError, match="there is no kind of picture 'gif'"):
        Pasting(inversion_of(None), {}, kind="gif")


@pytest.mark.parametrize("damage", [None, 3, {}, {"path": "a"}, {"center": [1], "right": [2]}])
def test_damaged_places_are_refused(damage):
    with pytest.raises(PandaError, match="is no place in a photograph"):
        Place.from_json(damage)


def test_a_lossless_webp_stays_lossless(tmp_path):
    Image.fromarray(GRAIN).save(tmp_path / "me.webp", lossless=True)
    file = edit(tmp_path / "me.webp", tmp_path / "out", by=0)
    assert np.array_equal(pixels(file), GRAIN)


def test_large_photographs_have_their_square_at_full_size(tmp_path, monkeypatch):
    monkeypatch.setattr("panda.photographs.photograph.SIDE", 64)
    Image.fromarray(GRAIN).save(tmp_path / "me.png")
    photograph = Photograph.read(tmp_path / "me.png")
    assert photograph.pixels.shape == (4, 48, 64)
    place = Place.of(photograph.origin, Square(32 + 24j, 15j), photograph.pixels)
    assert place.square == Square(64 + 48j, 30j)
    assert Place.from_json(place.to_json()) == place
