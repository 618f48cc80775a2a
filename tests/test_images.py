"""Pictures of images: one, a batch, a grid; from torch and from NumPy."""

import numpy as np
import pytest
import torch

from panda import Latents, PandaError
from panda.images import grid, to_picture, to_pictures

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
        (to_pictures, torch.zeros(2, 1, 8, 8), r"expected \[N, 3, H, W\]"),
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


def test_a_grid_is_about_square_or_as_wide_as_asked():
    assert grid(BATCH).size == (3 * 8 + 2 * 4, 2 * 8 + 4)
    assert grid(BATCH, columns=5).size == (5 * 8 + 4 * 4, 8)
    assert grid([BATCH[0], to_picture(BATCH[1])], size=16).size == (2 * 16 + 4, 16)
    with pytest.raises(PandaError, match="0 columns"):
        grid(BATCH, columns=0)
    first = grid(BATCH).crop((0, 0, 8, 8))
    assert first.tobytes() == to_picture(BATCH[0]).tobytes()
