"""Real faces in photographs: far away, turned, cut by the edge, and none."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from panda import PandaError, create_generator
from panda.metrics import face_mesh
from panda.metrics.face_mesh import FaceMesh
from panda.photographs.alignment import cut, find_face, to_pictures
from panda.photographs.detection import find_faces
from panda.photographs.photograph import read_photograph
from panda.photographs.squares import Square

PHOTOGRAPH = Path(__file__).parents[1] / "photographs" / "collins.jpg"

pytestmark = pytest.mark.skipif(
    not face_mesh.WEIGHTS.cached,
    reason="the weights of the face mesh are not cached; 'panda invert' fetches them",
)


@pytest.fixture(scope="module")
def mesh():
    return FaceMesh()


@pytest.fixture(scope="module")
def collins():
    return read_photograph(PHOTOGRAPH)


@pytest.fixture(scope="module")
def square(mesh, collins):
    """Of the face in the photograph itself."""
    return find_face(mesh, collins)


def near(square, expected, within):
    assert abs(square.center - expected.center) < within * expected.side
    assert abs(square.right / expected.right - 1) < 2 * within


def scene(picture, shape, top, left):
    """A picture in front of a gray wall with a line where it meets the floor."""
    wall = torch.zeros(3, *shape)
    wall[:, int(0.8 * shape[0]) :] = -0.3
    wall[:, top : top + picture.shape[1], left : left + picture.shape[2]] = picture
    return wall


def test_a_face_in_a_full_length_portrait_is_found(mesh, collins, square):
    found = find_face(mesh, scene(collins, (2000, 880), 100, 300))
    near(found, Square(square.center + (300 + 100j), square.right), 0.02)


def test_a_face_far_away_is_found(mesh, collins, square):
    small = F.interpolate(collins[None], (85, 85), mode="area")[0]
    found = find_face(mesh, scene(small, (500, 900), 300, 700))
    near(found, Square(square.center / 3 + (700 + 300j), square.right / 3), 0.05)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_photograph_that_lies_on_its_side_is_turned(mesh, collins, square, quarters):
    turned = torch.rot90(collins, -quarters, (1, 2))
    way = 1j**quarters
    middle = (128 + 128j) + way * (square.center - (128 + 128j))
    near(find_face(mesh, turned), Square(middle, square.right * way), 0.02)


@pytest.mark.parametrize("angle", [0.4, -0.9])
def test_a_turned_and_smaller_copy_is_located(mesh, collins, square, angle):
    move = Square(120 + 140j, 280 * np.exp(1j * angle))
    found = find_face(mesh, cut(collins, move, (700, 700), mirror=False))
    back = Square(move.place((found.center - (350 + 350j)) / 350), found.right / 350 * move.right)
    near(back, square, 0.03)


def test_all_faces_of_a_group_are_found(mesh, collins, square):
    small = F.interpolate(collins[None], (180, 180), mode="area")[0]
    group = scene(small, (300, 900), 80, 30)
    group[:, 20:276, 250:506] = collins
    group[:, 60:240, 600:780] = small.flip(2)
    faces = find_faces(mesh, group)
    assert abs(faces[0].square.center - (378 + 145j)) < 15
    assert sorted(round(face.square.center.real / 100) for face in faces) == [1, 4, 7]


@pytest.mark.parametrize("kind", ["noise", "blocks", "gray", "feet"])
def test_where_no_face_is_none_is_found(mesh, collins, kind):
    draw = torch.Generator().manual_seed(7)
    picture = {
        "noise": torch.randn(3, 256, 256, generator=draw).clamp(-1, 1),
        "blocks": F.interpolate(torch.randn(1, 3, 16, 16, generator=draw) / 2, (256, 256))[0],
        "gray": torch.zeros(3, 256, 256),
        "feet": collins[:, 180:],
    }[kind]
    assert find_faces(mesh, picture) == []


@pytest.mark.parametrize("share", [0.34, 0.42])
def test_a_face_that_the_edge_cuts_is_refused_or_not_mirrored(mesh, collins, share):
    generator = create_generator("mini-stylegan2-faces-64")
    photograph = collins[:, :, int(share * 256) :]
    try:
        (crop,) = to_pictures(generator, [("me", photograph)])
    except PandaError as error:
        assert "an eye of the face lies outside of the photograph" in str(error)
    else:
        beyond = crop.square.place(np.linspace(-1, 1, 64) + 0j).real < 0
        assert beyond.any() and (crop.inside[0, 32, beyond[1:-1].nonzero()[0]] < 0.6).all()


def test_generated_faces_hardly_move(mesh, faces):
    image = faces.forward(faces.sample([3], truncation=0.7))[0]
    near(find_face(mesh, image.clamp(-1, 1)), Square(512 + 512j, 512 + 0j), 0.03)
