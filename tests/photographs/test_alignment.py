"""Faces brought to where a generator's faces are."""

import numpy as np
import pytest
import torch
from conftest import TinyGenerator
from seen_faces import EYES, LIPS, Seeing, draw

from panda import PandaError
from panda.generators.faces import makes_faces
from panda.photographs import alignment
from panda.photographs.alignment import cut, find_face, framing, to_pictures
from panda.photographs.squares import Square

OWN = Square.of(np.array([*EYES, LIPS]))
"""FFHQ's square of a drawn face."""


def near(square, expected, within):
    assert abs(square.center - expected.center) < within * expected.side
    assert abs(square.right / expected.right - 1) < 2 * within


def placed(center, right):
    return Square(center + right * OWN.center, right * OWN.right)


def test_the_square_is_that_of_ffhq():
    square = Square.of(np.array([-1 + 0j, 1 + 0j, 2j]))
    assert square == Square(0.2j, 4 + 0j)  # twice the eyes' distance is more than 1.8 x 2
    assert Square.of(np.array([-0.5 + 0j, 0.5 + 0j, 2j])).right == pytest.approx(3.6)
    turned = Square.of(np.array([-1 + 0j, 1 + 0j, 2j]) * 1j + 7)
    assert turned.center == pytest.approx(0.2j * 1j + 7)
    assert turned.right == pytest.approx(4j)


@pytest.mark.parametrize(
    ("angle", "radius"), [(0, 200), (20, 60), (-60, 120), (90, 25), (180, 90), (30, 16)]
)
def test_a_face_is_found_wherever_it_lies(angle, radius):
    right = radius * np.exp(1j * np.radians(angle))
    found = find_face(Seeing(), draw((600, 500), (260 + 230j, right)))
    near(found, placed(260 + 230j, right), 0.03)


def test_a_small_face_of_a_tall_photograph_is_found():
    found = find_face(Seeing(), draw((1600, 400), (150 + 220j, 40 + 0j)))
    near(found, placed(150 + 220j, 40 + 0j), 0.02)


GROUP = draw((300, 600), (100 + 150j, 50 + 0j), (300 + 150j, 80 + 0j), (500 + 150j, 60 + 0j))


@pytest.fixture
def drawn(monkeypatch):
    monkeypatch.setattr(alignment, "FaceMesh", Seeing)
    return DrawnFaces()


@pytest.mark.parametrize(
    ("face", "centers"), [("largest", [300]), ("all", [100, 300, 500]), (1, [100]), (3, [500])]
)
def test_of_several_faces_the_chosen_ones_are_taken(drawn, capsys, face, centers):
    crops = to_pictures(drawn, [("alone", GROUP[:, :, :200]), ("us", GROUP)], face=1)
    assert [crop.source for crop in crops] == [0, 1]
    crops = to_pictures(drawn, [("us", GROUP)], face=face)
    assert [crop.square.center.real for crop in crops] == pytest.approx(centers, abs=3)
    said = "us: of 3 faces the largest is taken, number 2 from the left; '--face 1' to '--face 3'"
    assert (said in capsys.readouterr().err) == (face == "largest")


def test_a_face_that_is_not_there_is_refused(drawn):
    with pytest.raises(PandaError, match="us: 3 faces were found, but face 4 was asked for"):
        to_pictures(drawn, [("us", GROUP)], face=4)
    for wrong in (0, "second", True, None):
        with pytest.raises(PandaError, match=r"there is no face .*; expected largest, all, or 1"):
            to_pictures(drawn, [("us", GROUP)], face=wrong)


def test_what_lies_beyond_the_edge_is_not_inside(drawn):
    (crop,) = to_pictures(drawn, [("me", draw((300, 300), (150 + 150j, 60 + 0j)))])
    assert crop.inside is None
    photograph = draw((300, 300), (46 + 150j, 60 + 0j))
    (crop,) = to_pictures(drawn, [("me", photograph)])
    assert crop.inside.shape == (1, *drawn.size)
    columns = crop.square.place((2 * np.arange(256) + 1 - 256) / 256 + 0j).real
    assert (crop.inside[0, 128, columns > 1] == 1).all()
    assert (crop.inside[0, 128, columns < -1] == 0).all() and (columns < -1).any()


def test_a_face_without_an_eye_or_a_mouth_is_refused(drawn, monkeypatch):
    """The face mesh guesses what it does not see."""
    photograph = draw((300, 300), (150 + 150j, 60 + 0j))
    whole = alignment.find_faces(Seeing(), photograph)
    for cut_away, said in (((0, 140), "an eye"), ((-130, 0), "the mouth"), ((0, -170), "an eye")):
        rows, columns = cut_away
        height, width = 300 + min(0, rows), 300 + min(0, columns)
        moved = [
            alignment.Face(face.points - max(0, columns) - 1j * max(0, rows), 1.0) for face in whole
        ]
        monkeypatch.setattr(alignment, "find_faces", lambda *_, moved=moved: moved)
        monkeypatch.setattr(alignment, "framing", lambda *_: Square(0j, 1 + 0j))
        with pytest.raises(PandaError, match=f"me: {said} of the face lies outside of the photo"):
            to_pictures(drawn, [("me", torch.zeros(3, height, width))])


def test_a_tiny_face_is_refused(drawn):
    with pytest.raises(
        PandaError, match=r"me: the head has \d+ x \d+ pixels, expected at least 32"
    ):
        to_pictures(drawn, [("me", draw((90, 90), (40 + 40j, 9 + 0j)))])


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

    center, right, face = 128 + 115j, 150 + 0j, True

    def __init__(self):
        super().__init__()
        self.name, self.size = "faces.pt", (256, 256)

    def forward(self, latents):
        faces = [(self.center, self.right)] if self.face else []
        return draw((256, 256), *faces)[None].expand(len(latents), -1, -1, -1)


def test_a_photograph_is_aligned_to_the_generators_own_faces(drawn):
    own = placed(drawn.center, drawn.right)
    expected = Square((own.center - (128 + 128j)) / 128, own.right / 128)
    near(framing(drawn, Seeing()), expected, 0.02)
    photograph = draw((700, 700), (400 + 390j, 130 * np.exp(0.3j)))
    (crop,) = to_pictures(drawn, [("me", photograph)])
    expected = drawn.forward(drawn.sample([0], truncation=1.0))[0]
    assert float(((crop.image - expected).abs() < 0.05).float().mean()) > 0.95


def test_what_cannot_be_aligned_is_a_sentence(drawn):
    nothing = torch.full((3, 90, 120), -1.0)
    with pytest.raises(PandaError, match=r"me\.jpg: no face was found; cut the photograph"):
        to_pictures(drawn, [("me.jpg", nothing)])
    with pytest.raises(PandaError, match="no alignment 'sometimes'; valid: auto, always, never"):
        to_pictures(drawn, [("me.jpg", nothing)], align="sometimes")
    drawn.face = False
    with pytest.raises(PandaError, match="no faces are seen in the samples of faces.pt"):
        to_pictures(drawn, [("me.jpg", draw((90, 90), (45 + 45j, 30 + 0j)))])


def test_generators_of_other_things_need_no_face_mesh(tiny, monkeypatch):
    monkeypatch.setattr(alignment, "FaceMesh", None)
    picture = torch.rand(3, 16, 24) * 2 - 1
    (middle,) = to_pictures(tiny, [("cat", picture)])
    assert torch.allclose(middle.image, picture[:, :, 4:20], atol=1e-5)
    assert middle.square == Square(12 + 8j, 8 + 0j) and middle.inside is None
    assert makes_faces("mobilestylegan-ffhq-1024") and makes_faces("my/ffhq.pkl")
    assert not makes_faces("tiny")


def test_the_middle_of_a_photograph_has_the_proportions_of_the_generator():
    columns = torch.linspace(-1, 1, 400).expand(3, 200, 400)
    generator = DrawnFaces()
    generator.name = "random"
    for size, last in (((40, 80), 1), ((40, 40), 0.5), ((80, 20), 0.125)):
        generator.size = size
        (crop,) = to_pictures(generator, [("a", columns)], align="never")
        image = crop.image
        assert image.shape == (3, *size)
        assert image[0, 0, 0] == pytest.approx(-last, abs=0.03)
        assert image[0, -1, -1] == pytest.approx(last, abs=0.03)


def test_transparency_is_kept_for_those_who_draw_it_and_white_for_the_others():
    clear = torch.cat([torch.zeros(3, 64, 64), -torch.ones(1, 64, 64)])
    generator = DrawnFaces()
    for channels, first, last in ((3, 1, 1), (1, 1, 1), (4, 0, -1)):
        generator.channels = channels
        (crop,) = to_pictures(generator, [("a", clear)], align="never")
        assert crop.image[0].mean() == pytest.approx(first)
        assert crop.image[-1].mean() == pytest.approx(last)


def test_the_middle_of_a_tall_photograph_is_as_wide_as_it_is():
    rows = torch.linspace(-1, 1, 400)[:, None].expand(3, 400, 200)
    generator = DrawnFaces()
    generator.size = (40, 80)
    (crop,) = to_pictures(generator, [("a", rows)], align="never")
    assert crop.image.shape == (3, 40, 80)
    assert crop.image[0, [0, -1], 0].tolist() == pytest.approx([-0.25, 0.25], abs=0.02)
