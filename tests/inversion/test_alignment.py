"""Faces brought to where a generator's faces are."""

import numpy as np
import pytest
import torch
from conftest import TinyGenerator

from panda import PandaError
from panda.generators.faces import makes_faces
from panda.inversion import alignment
from panda.inversion.alignment import Square, cut, find_face, framing, to_pictures
from panda.metrics import parsing
from panda.metrics.landmarks import landmarks
from panda.metrics.parsing import CLASSES, FaceParser

MARKS = np.array([-0.25 - 0.05j, 0.25 - 0.05j, 0.5j])
"""Eyes and mouth of a drawn face."""


def drawing(size=256, center=0j, right=1 + 0j, glasses=False):
    """A face ``[3, size, size]`` whose red is the class of each pixel."""
    steps = (torch.arange(size) + 0.5) * 2 / size - 1
    there = (steps + 1j * steps[:, None] - center) / right
    found = torch.zeros(size, size)

    def ellipse(name, place, width, height):
        inside = ((there.real - place.real) / width) ** 2 + (
            (there.imag - place.imag) / height
        ) ** 2 < 1
        found[inside] = CLASSES.index(name)

    ellipse("hair", 0j, 0.9, 0.95)
    ellipse("skin", 0.1j, 0.6, 0.75)
    ellipse("nose", 0.2j, 0.08, 0.2)
    for name, place in (("left eye", MARKS[0]), ("right eye", MARKS[1])):
        if glasses:
            ellipse("glasses", place, 0.22, 0.15)
        else:
            ellipse(name, place, 0.1, 0.05)
    ellipse("upper lip", MARKS[2] - 0.02j, 0.2, 0.04)
    ellipse("mouth interior", MARKS[2] + 0.03j, 0.15, 0.04)
    return (found / 9 - 1).expand(3, -1, -1)


class Reader(FaceParser):
    """Parses drawings."""

    def __init__(self, device="cpu"):
        self.seen = 0

    def __call__(self, images, size=512):
        self.seen += len(images)
        classes = ((images[:, 0] + 1) * 9).round()
        classes[images[:, 0] == 0] = 0  # beyond the picture
        return classes.to(torch.uint8)


def near(square, expected, within):
    assert abs(square.center - expected.center) < within * expected.side
    assert abs(square.right / expected.right - 1) < 2 * within


def test_eyes_and_mouth_are_found_where_they_were_drawn():
    parsed = Reader()(drawing(512)[None])[0]
    assert np.abs(landmarks(parsed) - MARKS).max() < 0.02
    turned = landmarks(torch.rot90(parsed, 2))
    assert np.abs(turned + MARKS).max() < 0.02  # the same eye comes first


def test_behind_glasses_eyes_are_where_they_should_be():
    parsed = Reader()(drawing(512, glasses=True)[None])[0]
    assert np.abs(landmarks(parsed) - MARKS).max() < 0.05


@pytest.mark.parametrize("missing", ["left eye", "upper lip", "skin"])
def test_where_something_is_missing_there_is_no_face(missing):
    parsed = Reader()(drawing(512)[None])[0]
    names = {"upper lip": ("upper lip", "mouth interior"), "skin": CLASSES}.get(missing, (missing,))
    parsed[parsing.mask(parsed[None], *names)[0]] = 0
    assert landmarks(parsed) is None


def test_the_square_is_that_of_ffhq():
    square = Square.of(np.array([-1 + 0j, 1 + 0j, 2j]))
    assert square == Square(0.2j, 4 + 0j)  # twice the eyes' distance is more than 1.8 x 2
    assert Square.of(np.array([-0.5 + 0j, 0.5 + 0j, 2j])).right == pytest.approx(3.6)
    turned = Square.of(np.array([-1 + 0j, 1 + 0j, 2j]) * 1j + 7)
    assert turned.center == pytest.approx(0.2j * 1j + 7)
    assert turned.right == pytest.approx(4j)


@pytest.mark.parametrize("angle", [0, 20, -60, 90, 180])
@pytest.mark.parametrize("scale", [0.3, 0.6, 1.0])
def test_a_face_is_found_wherever_it_lies(angle, scale):
    right = scale * np.exp(1j * np.radians(angle))
    place = complex(0.6 * (1 - scale), -0.4 * (1 - scale))
    found = find_face(Reader(), drawing(600, place, right))
    own = Square.of(MARKS)
    near(found, Square((place + right * own.center + 1 + 1j) * 300, right * own.right * 300), 0.01)


def test_the_largest_of_several_faces_is_taken():
    two = torch.cat([drawing(300), drawing(300, 0j, 0.5 + 0j)], 2)
    found = find_face(Reader(), two)
    assert abs(found.center - (150 + 150j)) < 12
    other = find_face(Reader(), two.flip(2).clone())
    assert abs(other.center - (450 + 150j)) < 12


def test_a_cut_is_the_picture_itself_or_its_mirror_image():
    picture = torch.rand(3, 40, 40) * 2 - 1
    whole = Square(20 + 20j, 20 + 0j)
    assert torch.allclose(cut(picture, whole, (40, 40)), picture, atol=1e-5)
    turned = cut(picture, Square(20 + 20j, 20j), (40, 40))
    assert torch.allclose(turned, torch.rot90(picture, 1, (1, 2)), atol=1e-5)
    beyond = cut(picture, Square(-20 + 20j, 20 + 0j), (40, 40))
    assert torch.allclose(beyond, picture.flip(2), atol=1e-5)
    assert (cut(picture, Square(-20 + 20j, 20 + 0j), (40, 40), mirror=False)[:, :, :-1] == 0).all()


def test_smaller_cuts_are_means():
    board = torch.ones(3, 400, 400)
    board[:, ::2] = -1
    assert float(cut(board, Square(200 + 200j, 200 + 0j), (40, 40)).abs().max()) < 0.05


class DrawnFaces(TinyGenerator):
    """Draws faces, larger than FFHQ's and further up."""

    center, right, face = -0.1j, 1.2 + 0j, True

    def __init__(self):
        super().__init__()
        self.name, self.size = "faces.pt", (256, 256)

    def forward(self, latents):
        images = [
            drawing(256, self.center, self.right) if self.face else torch.full((3, 256, 256), -1.0)
        ]
        return torch.stack(images * len(latents))


def test_a_photograph_is_aligned_to_the_generators_own_faces(monkeypatch):
    monkeypatch.setattr(alignment, "FaceParser", Reader)
    generator = DrawnFaces()
    own = Square.of(MARKS)
    near(framing(generator, Reader()), Square(-0.1j + 1.2 * own.center, 1.2 * own.right), 0.01)
    photograph = drawing(700, 0.3 + 0.2j, 0.4 * np.exp(0.3j))
    (picture,) = to_pictures(generator, [("me", photograph)])
    expected = generator.forward(generator.sample([0], truncation=1.0))[0]
    assert float(((picture - expected).abs() < 0.05).float().mean()) > 0.95


def test_what_cannot_be_aligned_is_a_sentence(monkeypatch):
    monkeypatch.setattr(alignment, "FaceParser", Reader)
    generator = DrawnFaces()
    nothing = torch.full((3, 90, 120), -1.0)
    with pytest.raises(PandaError, match=r"me\.jpg: no face with two eyes and a mouth was found"):
        to_pictures(generator, [("me.jpg", nothing)])
    with pytest.raises(PandaError, match="no alignment 'sometimes'; valid: auto, always, never"):
        to_pictures(generator, [("me.jpg", nothing)], align="sometimes")
    generator.face = False
    with pytest.raises(PandaError, match="no faces are seen in the samples of faces.pt"):
        to_pictures(generator, [("me.jpg", drawing())])


def test_generators_of_other_things_need_no_parser(tiny, monkeypatch):
    monkeypatch.setattr(alignment, "FaceParser", None)
    picture = torch.rand(3, 16, 24) * 2 - 1
    (middle,) = to_pictures(tiny, [("cat", picture)])
    assert torch.allclose(middle, picture[:, :, 4:20], atol=1e-5)
    assert makes_faces("mobilestylegan-ffhq-1024") and makes_faces("my/ffhq.pkl")
    assert not makes_faces("tiny")


@pytest.mark.skipif(not parsing.WEIGHTS.cached, reason="the weights of face parsing are not cached")
def test_generated_faces_hardly_move_and_moved_ones_come_back(faces):
    parser = FaceParser()
    image = faces.forward(faces.sample([3], truncation=0.7))[0]
    near(find_face(parser, image), Square(512 + 512j, 512 + 0j), 0.03)
    moved = Square(500 + 560j, 1100 * np.exp(0.4j))  # smaller, turned, not in the middle
    photograph = cut(image, moved, (700, 700), mirror=False)
    found = find_face(parser, photograph)
    # In the photograph's own coordinates the image's square is that which undoes the move.
    undone = Square(0j, 1 + 0j).around(
        Square((moved.center - (512 + 512j)) / 512, moved.right / 512)
    )
    near(found, Square(350 * (undone.center + 1 + 1j), 350 * undone.right), 0.03)


def test_the_middle_of_a_photograph_has_the_proportions_of_the_generator():
    columns = torch.linspace(-1, 1, 400).expand(3, 200, 400)
    generator = DrawnFaces()
    generator.name = "random"
    for size, last in (((40, 80), 1), ((40, 40), 0.5), ((80, 20), 0.125)):
        generator.size = size
        (image,) = to_pictures(generator, [("a", columns)], align="never")
        assert image.shape == (3, *size)
        assert image[0, 0, 0] == pytest.approx(-last, abs=0.03)
        assert image[0, -1, -1] == pytest.approx(last, abs=0.03)


def test_transparency_is_kept_for_those_who_draw_it_and_white_for_the_others():
    clear = torch.cat([torch.zeros(3, 64, 64), -torch.ones(1, 64, 64)])
    generator = DrawnFaces()
    for channels, first, last in ((3, 1, 1), (1, 1, 1), (4, 0, -1)):
        generator.channels = channels
        (image,) = to_pictures(generator, [("a", clear)], align="never")
        assert image[0].mean() == pytest.approx(first) and image[-1].mean() == pytest.approx(last)


def test_the_middle_of_a_tall_photograph_is_as_wide_as_it_is():
    rows = torch.linspace(-1, 1, 400)[:, None].expand(3, 400, 200)
    generator = DrawnFaces()
    generator.size = (40, 80)
    (image,) = to_pictures(generator, [("a", rows)], align="never")
    assert image.shape == (3, 40, 80)
    assert image[0, [0, -1], 0].tolist() == pytest.approx([-0.25, 0.25], abs=0.02)
