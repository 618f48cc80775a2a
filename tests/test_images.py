"""Pictures of images: one, a batch, a grid; from torch and from NumPy."""

import base64
import io
import re

import numpy as np
import pytest
import torch
from PIL import Image

from panda import Latents, PandaError
from panda.images import (
    as_rgb,
    color_parts,
    crop,
    crop_box,
    difference_picture,
    grid,
    heat_picture,
    mask_picture,
    opaque,
    sheet,
    spotlight,
    to_picture,
    to_pictures,
)
from panda.images.channels import in_channels
from panda.report.page import Figure

BATCH = torch.linspace(-1, 1, 5 * 3 * 8 * 8).view(5, 3, 8, 8)
LATENTS = Latents((0, 1), {"z": torch.zeros(2, 4)})


def test_torch_and_numpy_give_the_same_picture():
    picture = to_picture(BATCH[4])
    assert picture.size == (8, 8) and picture.mode == "RGB"
    assert picture.getpixel((7, 7))[2] == 255
    frozen = BATCH.numpy().copy()
    frozen.flags.writeable = False
    for image in (frozen[4], BATCH[4].double(), BATCH.numpy()[::-1][0]):
        assert to_picture(image).tobytes() == picture.tobytes()
    assert to_picture(frozen[4], np.int64(4)).size == (4, 4)


@pytest.mark.parametrize("images", [BATCH, BATCH.numpy(), list(BATCH)], ids=["torch", "np", "list"])
def test_a_batch_is_a_list_of_pictures(images):
    pictures = to_pictures(images)
    assert [picture.tobytes() for picture in pictures] == [to_picture(x).tobytes() for x in BATCH]
    assert {picture.size for picture in to_pictures(images, size=16)} == {(16, 16)}


@pytest.mark.parametrize(
    ("call", "images", "said"),
    [
        (to_picture, BATCH, r"\[5, 3, 8, 8\] is a batch; to_pictures returns"),
        (to_pictures, BATCH[0], r"\[3, 8, 8\] is one image; to_picture returns"),
        (grid, BATCH[0].numpy(), "is one image"),
        (to_picture, np.zeros((8, 8, 3)), r"\[8, 8, 3\], expected \[3, H, W\]"),
        (to_pictures, torch.zeros(2, 2, 8, 8), r"expected \[N, 3, H, W\], or 1 or 4 channels"),
        (to_picture, np.zeros((3, 8, 8), np.uint8), r"uint8, expected floats in \[-1, 1\]"),
        (to_pictures, np.zeros((8, 8, 3)), r"\[8, 8, 3\], expected \[N, 3, H, W\]"),
        (grid, torch.zeros(5, 8, 8), "maps of shape .5, 8, 8. have no colors.*heat_picture and"),
        (to_picture, torch.zeros(5, 8, 8), r"expected images \[3, H, W\].*factors.show\(\)"),
        (to_picture, torch.zeros(8, 8), "maps of shape .8, 8. have no colors"),
        (grid, torch.zeros(2, 8, 8) > 0, "maps of shape .2, 8, 8. have no colors"),
        (to_picture, "s0.png", "a str was given, expected images .3, H, W. of torch or NumPy"),
        (grid, "s0.png", "a str was given, expected images .N, 3, H, W."),
        (to_pictures, None, "a NoneType was given, expected images"),
        (grid, ["s0.png"], "a str was given, expected images .3, H, W."),
        (grid, LATENTS, r"latents were given, expected images; generator\(latents\) makes them"),
        (to_pictures, LATENTS, "latents were given, expected images"),
        (to_picture, LATENTS[0], "latents were given, expected images"),
        (grid, [], "no images"),
        (grid, [BATCH[0], torch.zeros(3, 4, 4)], "4 x 4 and 8 x 8 pixels; give a size"),
    ],
)
def test_what_is_no_image_is_one_sentence(call, images, said):
    with pytest.raises(PandaError, match=said):
        call(images)


GRAY = torch.linspace(-1, 1, 6 * 12).view(1, 6, 12)
CLEAR = torch.cat([torch.zeros(3, 16, 24), torch.full((1, 16, 24), -1.0)])


def test_gray_images_become_gray_pictures():
    picture = to_picture(GRAY)
    assert (picture.mode, picture.size, picture.getpixel((11, 5))) == ("L", (12, 6), 255)
    assert to_picture(GRAY, 24).size == (24, 12) and to_picture(GRAY, (5, 7)).size == (7, 5)


def test_transparent_images_keep_their_alpha():
    picture = to_picture(torch.ones(4, 4, 8) * torch.linspace(-1, 1, 8))
    assert picture.mode == "RGBA"
    assert [picture.getpixel((x, 0))[3] for x in (0, 7)] == [0, 255]


def test_in_a_sheet_what_is_transparent_shows_a_checkerboard():
    shown = sheet([[to_picture(CLEAR)]])
    assert shown.mode == "RGB"
    assert {shown.getpixel((x, y))[0] for x in range(24) for y in range(16)} == {204, 255}
    assert shown.getpixel((0, 0)) != shown.getpixel((8, 0)) == shown.getpixel((0, 8))
    solid = torch.cat([BATCH[0], torch.ones(1, 8, 8)])
    assert opaque(to_picture(solid)).tobytes() == to_picture(BATCH[0]).tobytes()


def test_a_page_shows_a_checkerboard_too():
    figure = Figure(to_picture(CLEAR)).html()
    data = base64.b64decode(re.search('base64,([^"]*)', figure)[1])
    with Image.open(io.BytesIO(data)) as shown:
        levels = np.asarray(shown.convert("L"))
    assert levels.max() > 240 > 220 > levels.min() > 190


def test_a_sheet_has_room_for_its_largest_picture():
    assert sheet([[to_picture(GRAY), to_picture(CLEAR)]]).size == (2 * 24 + 4, 16)


def test_pictures_of_maps_have_the_size_of_the_image():
    picture = to_picture(torch.ones(1, 6, 12), 48)
    mask = torch.zeros(3, 6)
    mask[0, 0] = 1
    shown = np.asarray(spotlight(picture, mask))
    assert shown.shape == (24, 48, 3) and shown[1, 1, 0] == 255 > shown[1, 40, 0]
    assert heat_picture(mask, 20).size == (20, 10)
    assert heat_picture(mask, (24, 48)).size == mask_picture(mask, (24, 48)).size == (48, 24)
    assert color_parts(picture, mask[None]).size == (48, 24)


def test_a_part_is_cut_out_in_the_proportions_of_the_image():
    mask = torch.zeros(6, 12)
    mask[4:, 8:10] = 1
    left, top, side = crop_box(mask, room=0)
    image = torch.arange(60 * 120.0).view(1, 60, 120)
    cut = crop(image, (left, top, side))
    assert cut.shape == (1, 20, 40) and cut[0, 0, 0] == image[0, round(60 * top), round(120 * left)]
    assert top == pytest.approx(4 / 6) and left <= 8 / 12 and left + side >= 10 / 12


def test_as_rgb_repeats_gray_and_lays_rgba_over_gray():
    assert torch.equal(as_rgb(GRAY), GRAY.expand(3, 6, 12))
    assert as_rgb(BATCH) is BATCH
    assert torch.equal(as_rgb(CLEAR), torch.zeros(3, 16, 24))
    assert torch.equal(as_rgb(CLEAR, 1.0), torch.ones(3, 16, 24))
    half = torch.tensor([1.0, -1.0, 0.5, 0.0]).view(1, 4, 1, 1)
    assert as_rgb(half).flatten().tolist() == [0.5, -0.5, 0.25]
    with pytest.raises(PandaError, match="images of 2 channels, expected 1"):
        as_rgb(torch.zeros(2, 4, 4))


def test_photographs_take_the_channels_of_a_generator():
    colors = torch.tensor([1.0, -1.0, 0.0]).view(3, 1, 1)
    assert in_channels(colors, 1).item() == pytest.approx(0.299 - 0.587)
    assert in_channels(colors, 4).flatten().tolist() == [1.0, -1.0, 0.0, 1.0]
    assert in_channels(GRAY, 3).shape == (3, 6, 12) and in_channels(CLEAR, 4) is CLEAR


def test_a_change_of_what_cannot_be_seen_is_no_change():
    other = CLEAR.clone()
    other[:3] = 1
    assert difference_picture(CLEAR, other).getextrema() == (0, 0)
    other[3] = 1
    assert difference_picture(CLEAR, other).getextrema() == (255, 255)


def test_a_grid_is_about_square_or_as_wide_as_asked():
    assert grid(BATCH).size == (3 * 8 + 2 * 4, 2 * 8 + 4)
    assert grid(BATCH, columns=5).size == (5 * 8 + 4 * 4, 8)
    assert grid([BATCH[0], to_picture(BATCH[1])], size=16).size == (2 * 16 + 4, 16)
    with pytest.raises(PandaError, match="0 columns"):
        grid(BATCH, columns=0)
    first = grid(BATCH).crop((0, 0, 8, 8))
    assert first.tobytes() == to_picture(BATCH[0]).tobytes()
