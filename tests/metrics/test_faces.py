"""What counts as a face: real ones, and neither noise nor textures nor flat color."""

from pathlib import Path

import pytest
import torch
from drawn_faces import draw_features
from torch.nn import functional as F

from panda import create_generator
from panda.metrics.faces import are_faces, show_face
from panda.metrics.parsing import CLASSES, WEIGHTS, FaceParser
from panda.metrics.roir import small
from panda.photographs.photograph import read_photograph

PHOTOGRAPH = Path(__file__).parents[1] / "photographs" / "collins.jpg"
SKIN = torch.tensor([0.6, 0.2, 0.0])[:, None, None]


@pytest.fixture(scope="module")
def parser():
    if not WEIGHTS.cached:
        pytest.skip("the weights of face parsing are not cached")
    return FaceParser()


def skin(count=1):
    return torch.full((count, 64, 64), CLASSES.index("skin"), dtype=torch.uint8)


def test_a_face_has_two_eyes_a_nose_and_a_mouth():
    assert show_face(draw_features(skin(2))).tolist() == [True, True]
    for missing in (("left eye",), ("nose",), ("upper lip", "mouth interior", "lower lip")):
        assert not show_face(draw_features(skin(), *missing)).any(), missing


def test_a_nose_belongs_between_eyes_and_mouth():
    for row, column in ((4, 30), (52, 30), (32, 2), (32, 56)):
        parsed = draw_features(skin(), "nose")
        parsed[:, row : row + 6, column : column + 5] = CLASSES.index("nose")
        assert not show_face(parsed).any(), (row, column)


def test_skin_with_a_nose_alone_is_no_face():
    parsed = skin(4)
    parsed[:, 20:40, 20:40] = CLASSES.index("nose")
    assert not are_faces(parsed)


def test_a_quarter_of_the_samples_must_be_faces():
    faces, others = draw_features(skin(1)), skin(3)
    assert are_faces(torch.cat([faces, others]))
    assert not are_faces(torch.cat([faces, others, others[:1]]))


def draw(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def stripes(size, per_image):
    wave = torch.sin(torch.linspace(0, 6.28 * per_image, size))
    return (wave[:, None] * wave).sign().expand(3, -1, -1)


NOISE = {
    "gaussian noise": draw(1, 3, 256, 256).clamp(-1, 1),
    "gaussian noise, 64 px": draw(2, 3, 64, 64).clamp(-1, 1),
    "gaussian noise, 16 px": 0.5 * draw(3, 3, 16, 16).clamp(-2, 2),
    "uniform noise, 20 px": (draw(4, 3, 20, 20) / 2**0.5).erf(),
    "noise of skin color, 16 px": (SKIN + 0.4 * draw(5, 3, 16, 16)).clamp(-1, 1),
    "noise of skin color, 24 px": (SKIN + 0.4 * draw(6, 3, 24, 24)).clamp(-1, 1),
    "blocks": F.interpolate(0.5 * draw(7, 1, 3, 16, 16), (256, 256))[0].clamp(-1, 1),
    "clouds": F.interpolate(0.5 * draw(8, 1, 3, 8, 8), (256, 256), mode="bicubic")[0].clamp(-1, 1),
    "gray": torch.zeros(3, 256, 256),
    "skin color": SKIN.expand(-1, 256, 256),
    "a texture": stripes(256, 12),
}
"""Images of other seeds than those on which the criterion was chosen."""


@pytest.mark.parametrize("name", NOISE)
def test_noise_textures_and_flat_color_are_no_faces(parser, name):
    assert not show_face(parser(small(NOISE[name][None]))).any()


def test_a_photograph_of_a_face_is_one(parser):
    photograph = read_photograph(PHOTOGRAPH)
    assert show_face(parser(photograph[None])).all()


def test_generated_faces_are_faces(parser, faces):
    images = torch.cat([small(faces.forward(faces.sample([k], truncation=0.7))) for k in range(4)])
    assert show_face(parser(images)).all()


@pytest.mark.parametrize(
    "name", [f"mini-{kind}-faces-64" for kind in ("biggan", "stylegan", "stylegan2", "stylegan3")]
)
def test_faces_of_small_generators_are_faces(parser, name):
    generator = create_generator(name)
    images = generator.forward(generator.sample(range(6), truncation=0.7))
    assert are_faces(parser(small(images)))
