"""`walk`: images between samples, and along the strengths of edits."""

import math
from dataclasses import replace

import pytest
import torch
from conftest import MINI

from panda import PandaError, create_generator, edit_images, walk
from panda.factorization.fit import fit
from panda.generators.carried import carrying
from panda.generators.latent_spaces import w_space
from panda.inversion import Inversion
from panda.walks.between import between, great_circle
from panda.walks.course import Course


@pytest.fixture(scope="module")
def mini():
    return create_generator(MINI)


@pytest.fixture(scope="module")
def factors(mini):
    return fit(mini, "8.conv1", parts=2, seeds=range(8), steps=5)


def test_a_walk_is_at_its_stops_to_the_bit(tiny):
    stops = tiny(tiny.sample([3, 7, 5]))
    images = walk(tiny, [3, 7, 5], frames=5)
    assert len(images) == 5 and len(list(images)) == 5
    for frame, stop in ((0, 0), (2, 1), (4, 2), (-1, 2)):
        torch.testing.assert_close(images[frame], stops[stop], rtol=0, atol=1e-6)
    assert not torch.equal(images[1], images[0]) and not torch.equal(images[1], images[2])
    with pytest.raises(IndexError):
        images[5]


def test_a_loop_comes_back_without_its_first_image_twice(tiny):
    images = walk(tiny, "3,7", frames=4, loop=True)
    torch.testing.assert_close(images[1], images[3])  # there and back
    torch.testing.assert_close(images[2], tiny(tiny.sample([7]))[0])
    assert not torch.equal(images[3], images[0])


def test_easing_is_slow_at_stops_and_the_default_is_a_second_from_stop_to_stop():
    smooth, linear = (
        [course.place(frame, 2)[2] for frame in range(5)]
        for course in (Course.of(5, 1, False, "smooth"), Course.of(5, 1, False, "linear"))
    )
    assert linear == [0, 0.25, 0.5, 0.75, 0]  # the last one is at the second stop itself
    assert smooth[1] < linear[1] and smooth[2] == 0.5 and smooth[3] > linear[3]
    assert Course.of(None, 2, False, "linear").frames == 49
    assert Course.of(None, 3, True, "linear").frames == 72


def test_z_stays_on_its_sphere_and_w_goes_straight(tiny, mini):
    start, end = tiny.sample([1]), tiny.sample([2])
    z = between(tiny, start, end, 0.5).tensors["z"]
    lengths = [start.tensors["z"].norm(), end.tensors["z"].norm()]
    torch.testing.assert_close(z.norm(), (lengths[0] + lengths[1]) / 2)
    start, end = mini.sample([1]), mini.sample([2])
    space = w_space(mini, "a test")
    middle = space.w_plus(between(mini, start, end, 0.25))
    expected = torch.lerp(space.w_plus(start), space.w_plus(end), 0.25)
    torch.testing.assert_close(middle, expected)


def test_an_arc_has_equal_angles_and_opposites_have_none():
    a, b = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 3.0]])
    third = great_circle(a, b, 1 / 3)
    assert math.isclose(math.atan2(third[0, 1], third[0, 0]), math.pi / 6, abs_tol=1e-6)
    assert math.isclose(float(third.norm()), 5 / 3, abs_tol=1e-6)
    torch.testing.assert_close(great_circle(a, -a, 0.25), a / 2)
    torch.testing.assert_close(great_circle(a, a * 2, 0.5), a * 1.5)


def test_what_a_photograph_carries_comes_and_goes(mini):
    layer = mini.layers["16.conv1"]
    change = torch.randn(1, layer.channels, layer.height, layer.width)
    photograph, seed = carrying(mini.sample([3]), layer.name, change), mini.sample([7])
    middle = between(mini, photograph, seed, 0.75)
    torch.testing.assert_close(middle.tensors["+16.conv1"], change / 4)
    images = walk(mini, [photograph, seed], frames=3)
    assert torch.equal(images[0], mini(photograph)[0])
    assert torch.equal(images[2], mini(seed)[0])


def test_classes_that_differ_are_between_and_whole_numbers_that_differ_are_refused(tiny):
    latents = tiny.sample([1])
    first, last = (
        replace(latents, tensors={**latents.tensors, "class": torch.tensor([[k]])}) for k in (0, 1)
    )
    assert between(tiny, first, first, 0.5).tensors["class"].item() == 0
    with pytest.raises(PandaError, match="class differ"):
        between(tiny, first, last, 0.5)


def test_an_edit_runs_through_its_strengths(mini, factors):
    images = walk(
        mini, 3, edits=["0:p0:-2..2sd", "1:0:4"], factors=factors, frames=3, easing="linear"
    )
    for frame, strength in enumerate((-2, 0, 2)):
        expected = edit_images(mini, factors, mini.sample([3]), [f"0:p0:{strength}sd", "1:0:4"])[0]
        torch.testing.assert_close(images[frame], expected, rtol=0, atol=1e-5)
    assert not torch.equal(images[0], images[2])


def test_strengths_come_back_and_a_removal_can_grow(mini, factors):
    images = walk(mini, [3], edits=["0:remove:0..1"], factors=factors, frames=4, loop=True)
    assert [edit.strength for frame in range(4) for edit in images.edits(frame)] == [0, 0.5, 1, 0.5]
    images = walk(mini, [3, 7], edits="0:p0:0..1..0", factors=factors, frames=5)
    assert [images.edits(frame)[0].strength for frame in range(5)] == [0, 0.5, 1, 0.5, 0]


@pytest.mark.parametrize(
    ("stops", "options", "words"),
    [
        ([3], {}, "stands still"),
        ([3, "nothing"], {}, "'nothing' is no stop"),
        ([], {}, "no stops"),
        ([3, -1], {}, "seed -1"),
        ([3, 7], {"frames": 1}, "1 frame is no walk"),
        ([3, 7], {"frames": 2.5}, "whole number"),
        ([3, 7], {"easing": "smoth"}, "did you mean 'smooth'"),
        (["none/photo0", 7], {}, "no inversion"),
        ([3], {"edits": "0:p0:0..1sd"}, "does not say of which factors"),
    ],
)
def test_what_is_no_walk_is_a_sentence(tiny, stops, options, words):
    with pytest.raises(PandaError, match=words):
        walk(tiny, stops, **options)


@pytest.mark.parametrize(
    ("edit", "words"),
    [("0:p0:1..1e12", "below 1e9"), ("9:p0:0..1", "9"), ("masks/:0:0..1", "masks of their own")],
)
def test_an_edit_that_is_not_possible_is_refused_before_any_frame(mini, factors, edit, words):
    with pytest.raises(PandaError, match=words):
        walk(mini, 3, edits=edit, factors=factors)


def test_photographs_are_stops_and_edits_can_grow_from_them(mini, factors, tmp_path):
    latents = mini.sample([7, 8])
    layer = mini.layers["8.conv1"]
    change = torch.randn(2, layer.channels, layer.height, layer.width)
    latents = carrying(mini.with_w(latents, mini.w_plus(latents)), layer.name, change)
    pictures = torch.zeros(2, 3, 64, 64)
    config = {"lpips": [0.5] * 2, "pixels": [0.5] * 2, "pictures": ["a", "b"]}
    config |= {"weights_sha256": mini.digest, "label": None}
    folder = Inversion.of(MINI, latents, pictures, pictures, config).save(tmp_path / "me")
    images = walk(mini, [f"{folder}/photo1", "3"], frames=3)
    torch.testing.assert_close(images[0], mini(latents[1])[0])
    torch.testing.assert_close(images[2], mini(mini.sample([3]))[0])
    edit = f"all:{folder}/photo1:0..1"
    mixed = walk(mini, f"{folder}/photo0", edits=edit, factors=factors, frames=2)
    torch.testing.assert_close(mixed[0], mini(latents[0])[0], atol=1e-4, rtol=1e-3)
    changed = mini.head(latents[1], "8.conv1").x
    assert torch.allclose(
        mini.tail(mini.head(latents[0], "8.conv1").with_features(changed), "8.conv1")[0],
        mixed[1],
        atol=1e-3,
    )
    assert any("inversion.safetensors" in name for name in mixed.settings["files_sha256"])
