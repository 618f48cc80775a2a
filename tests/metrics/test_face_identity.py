"""Who a face is: alignment, distances, and dlib's own descriptors."""

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import golden
from dlib_writer import layer
from PIL import Image
from torch import nn
from torch.nn import functional as F

from panda import PandaError
from panda.metrics.face_resnet import FaceResNet, read_face_resnet
from panda.metrics.identity import (
    ALIGNED,
    SAME_PERSON,
    TEMPLATE,
    Identity,
    align,
    identity_distance,
)

PHOTOGRAPH = Path(__file__).parents[1] / "photographs" / "collins.jpg"


def landmarks(turn):
    """Landmarks of a face of which a similarity transform makes the template."""
    points = torch.full((1, 478, 2), 0.5)
    places = (torch.tensor(TEMPLATE) - (0.5 + 0.5j)) * turn + (0.4 + 0.55j)
    points[0, list(ALIGNED)] = torch.view_as_real(places)
    return points


@pytest.mark.parametrize("size", [40, 900])
def test_faces_are_turned_upright_at_any_size(size):
    """Colors are places, so that those of the aligned image say where each pixel comes from."""
    side = (torch.arange(size) + 0.5) / size
    image = torch.stack(
        [side.expand(size, size), side[:, None].expand(size, size), side.expand(size, size)]
    )
    turn = 0.2 + 0.3j
    aligned = align(image[None], landmarks(turn))
    assert aligned.shape == (1, 3, 150, 150)
    for row, column in ((0, 0), (20, 100), (149, 149)):
        place = (complex(column + 0.5, row + 0.5) / 150 - (0.5 + 0.5j)) * turn + (0.4 + 0.55j)
        expected = [place.real, place.imag]
        assert aligned[0, :2, row, column].tolist() == pytest.approx(expected, abs=3e-4)


def test_pixels_of_a_large_image_are_averaged():
    """A checkerboard of pixels is gray; picked pixels would be black and white."""
    side = torch.arange(750)
    image = ((side + side[:, None]) % 2 * 2.0 - 1).expand(1, 3, 750, 750)
    assert align(image, landmarks(0.7 + 0j)).abs().max() < 0.2


class Mesh:
    """Landmarks at the template, except in the second of the images."""

    def __call__(self, images):
        found = landmarks(0.5 + 0j).repeat(len(images), 1, 1)
        found[1:2] = torch.nan
        return found


@pytest.fixture
def identity():
    made = Identity.__new__(Identity)
    made.device, made.mesh = torch.device("cpu"), Mesh()
    made.network = lambda images: images.flatten(1)[:, :128]
    return made


def test_who_is_not_there_has_no_descriptor(identity):
    images = torch.rand(3, 3, 60, 60)
    found = identity(images)
    assert found.shape == (3, 128)
    assert found.isnan().all(1).tolist() == [False, True, False]
    torch.testing.assert_close(found[2:], identity(images[2:]))
    known = identity(images, Mesh()(images))
    torch.testing.assert_close(known, found, equal_nan=True)
    assert identity(images[:1], torch.full((1, 478, 2), torch.nan)).isnan().all()
    distances = identity_distance(found, found.flip(0))
    assert distances.isnan().tolist() == [False, True, False]


def test_distances_are_euclidean():
    a, b = torch.zeros(2, 128), torch.zeros(2, 128)
    b[0, :2] = torch.tensor([3.0, 4.0])
    assert identity_distance(a, b).tolist() == [5, 0]


def test_what_has_no_identity_is_refused(identity):
    with pytest.raises(PandaError, match=r"shape \[1, 2, 40, 40\], expected \[N, 3, H, W\]"):
        identity(torch.zeros(1, 2, 40, 40))
    with pytest.raises(PandaError, match=r"shape \[2, 478, 2\], expected \[1, 478, 2\]"):
        identity(torch.zeros(1, 3, 40, 40), torch.zeros(2, 478, 2))
    with pytest.raises(PandaError, match=r"\[2, 128\] and \[1, 128\], expected \[N, 128\] twice"):
        identity_distance(torch.zeros(2, 128), torch.zeros(1, 128))


def convolutions():
    with torch.device("meta"):
        network = FaceResNet()
    return [module.weight.shape for module in network.modules() if isinstance(module, nn.Conv2d)]


@torch.no_grad()
def test_affine_layers_are_folded_into_convolutions(tmp_path):
    dice, content = np.random.default_rng(0), []
    for shape in convolutions():
        content.append(layer("con_4", dice.standard_normal(shape.numel() + shape[0]) * 0.02))
        content.append(layer("affine_", dice.random(2 * shape[0])))
    content.append(layer("fc_2", dice.standard_normal((256, 128)), settings=(128, 256)))
    path = tmp_path / "network.dat"
    path.write_bytes(b"".join(content))
    state = read_face_resnet(path)
    network = FaceResNet()
    network.load_state_dict(state)
    image = torch.rand(1, 3, 150, 150) * 2 - 1
    weights = torch.from_numpy(np.frombuffer(content[0][-4 * 4736 :], "<f4").copy())
    affine = torch.from_numpy(np.frombuffer(content[1][-4 * 64 :], "<f4").copy())
    plain = F.conv2d(image, weights[:4704].reshape(32, 3, 7, 7), weights[4704:], stride=2)
    expected = plain * affine[:32, None, None] + affine[32:, None, None]
    torch.testing.assert_close(network.stem(image), expected, rtol=1e-4, atol=1e-5)
    assert network(image).shape == (1, 128)
    path.write_bytes(b"".join(content[:2]))
    with pytest.raises(PandaError, match="network.dat holds another network"):
        read_face_resnet(path)


@pytest.mark.download
def test_descriptors_are_those_of_dlib(tmp_path, monkeypatch):
    """The network's to rounding; those of faces that each aligns itself, nearly."""
    monkeypatch.setenv("PANDA_HOME", str(tmp_path))
    identity, kept = Identity(), golden("faces")
    photograph = (
        torch.from_numpy(np.array(Image.open(PHOTOGRAPH))).permute(2, 0, 1)[None] / 127.5 - 1
    )
    found = identity.network(photograph[..., 20:170, 50:200])
    torch.testing.assert_close(found, kept["crop.descriptor"], rtol=0, atol=1e-5)
    collins, others = identity(photograph), identity(golden("metrics")["images"] / 127.5 - 1)
    assert identity_distance(collins, kept["collins.descriptor"]) < 0.2
    assert (identity_distance(others, kept["descriptors"]) < 0.2).all()
    assert (torch.cdist(collins, others) > SAME_PERSON).all()
