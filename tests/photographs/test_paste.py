"""Edited crops in their photographs: in place, where the edit acts, and nowhere else."""

import numpy as np
import pytest
import torch
from PIL import Image

from panda import PandaError
from panda.photographs.alignment import cut
from panda.photographs.paste import paste, patch_of
from panda.photographs.squares import Square

SIDE = 128


@pytest.fixture(scope="module")
def levels():
    """A photograph of smooth colors and some grain, ``[300, 400, 3]``."""
    draw = np.random.default_rng(0)
    coarse = Image.fromarray(draw.integers(40, 216, (6, 8, 3), np.uint8))
    smooth = np.asarray(coarse.resize((400, 300), Image.Resampling.BICUBIC), float)
    return (smooth + draw.normal(0, 3, smooth.shape)).clip(0, 255).astype(np.uint8)


def as_floats(levels):
    return torch.from_numpy(levels).permute(2, 0, 1).float() / 127.5 - 1


def spot(crop, center=(64, 64), radius=15, by=0.4):
    """A crop that is brighter in one place."""
    rows, columns = torch.meshgrid(*(torch.arange(side) for side in crop.shape[1:]), indexing="ij")
    inside = (rows - center[0]) ** 2 + (columns - center[1]) ** 2 < radius**2
    return crop + by * inside


@pytest.mark.parametrize("by", [0, 0.01])
def test_where_nothing_is_edited_there_is_no_patch(by):
    crop = torch.rand(3, SIDE, SIDE) - 0.5
    assert patch_of(crop, crop + by) is None


@pytest.mark.parametrize(
    "square",
    [Square(210 + 140j, 60 + 0j), Square(210 + 140j, 90 * np.exp(0.5j)), Square(210 + 140j, -20j)],
)
def test_an_edit_is_back_in_its_place_and_all_else_as_it_was(levels, square):
    crop = cut(as_floats(levels), square, (SIDE, SIDE))
    edited = spot(crop, center=(50, 80))
    patch = patch_of(crop, edited)
    pasted = paste(levels, patch, square)
    moved = (pasted.astype(float) - levels).mean(2)
    place = square.place(complex(80.5 / 64 - 1, 50.5 / 64 - 1))
    there = np.abs(np.arange(400) + 0.5 + 1j * (np.arange(300)[:, None] + 0.5) - place)
    half = 15 / 64 * abs(square.right)
    assert moved[there < 0.7 * half].mean() == pytest.approx(0.4 * 127.5, abs=2)
    assert (pasted == levels)[there > 2 * half].all()


def test_what_a_reconstruction_lacks_stays_where_the_edit_is_weak(levels):
    square = Square(210 + 140j, 90 + 0j)
    crop = cut(as_floats(levels), square, (SIDE, SIDE))
    darker = crop - 0.2  # a reconstruction that missed it
    pasted = paste(levels, patch_of(darker, spot(darker, by=0.1)), square)
    assert (pasted.astype(float) - levels)[138:142, 208:212].mean() == pytest.approx(6.4, abs=1)


def test_what_is_replaced_is_the_edited_crop_alone(levels):
    square = Square(210 + 140j, 90 + 0j)
    crop = cut(as_floats(levels), square, (SIDE, SIDE))
    smooth = torch.full_like(crop, -0.2)
    pasted = paste(levels, patch_of(smooth, spot(smooth, by=0.6)), square)
    assert np.abs(pasted[135:145, 205:215].astype(float) - 1.4 * 127.5).max() <= 2


def test_an_edit_of_all_fades_in_from_the_edge_of_the_crop(levels):
    square = Square(210 + 140j, 90 + 0j)
    crop = cut(as_floats(levels), square, (SIDE, SIDE))
    pasted = paste(levels, patch_of(crop, crop + 0.4), square)
    moved = (pasted.astype(float) - levels).mean(2)[140]
    assert abs(moved[119:122]).max() < 15 and moved[140:280].min() > 40
    assert np.abs(np.diff(moved)).max() < 20
    assert (pasted == levels)[:, :120].all()


def test_a_crop_may_reach_beyond_the_photograph(levels):
    square = Square(20 + 10j, 80 + 0j)
    crop = cut(as_floats(levels), square, (SIDE, SIDE))
    pasted = paste(levels, patch_of(crop, crop + 0.4), square)
    assert (pasted.astype(float) - levels)[:60, :60].mean() == pytest.approx(51, abs=2)
    with pytest.raises(PandaError, match="lies outside of the photograph"):
        paste(levels, patch_of(crop, crop + 0.4), Square(-200 + 0j, 80 + 0j))


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_gray_stays_gray_and_alpha_as_it_was(levels, channels):
    own = np.concatenate([levels, levels[..., :1]], 2)[..., -channels:]
    square = Square(210 + 140j, 60 + 0j)
    crop = torch.zeros(3, SIDE, SIDE)
    pasted = paste(own, patch_of(crop, crop + 0.4), square)
    assert pasted.shape == own.shape and not np.array_equal(pasted[..., 0], own[..., 0])
    if channels in (2, 4):
        assert np.array_equal(pasted[..., -1], own[..., -1])


def test_crops_need_not_be_square(levels):
    square = Square(210 + 140j, 60 + 0j)
    crop = cut(as_floats(levels), square, (64, 128))
    edited = crop.clone()
    edited[:, 25:39, 85:99] += 0.4
    pasted = paste(levels, patch_of(crop, edited), square)
    moved = (pasted.astype(float) - levels).mean(2)
    place = square.place(complex(92 / 64 - 1, 32 / 64 - 0.5))
    assert moved[round(place.imag), round(place.real)] == pytest.approx(51, abs=3)
    assert (pasted == levels)[:, :220].all()
