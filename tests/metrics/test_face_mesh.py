"""Landmarks of faces: where the face is looked for, measures in landmarks, MediaPipe's own."""

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import golden
from PIL import Image
from tflite_writer import write_tflite
from torch import nn

from panda import PandaError
from panda.metrics import face_networks
from panda.metrics.face_mesh import FaceMesh, best_faces, mesh_measures
from panda.metrics.face_networks import FaceNetworks, read_networks

PHOTOGRAPH = Path(__file__).parents[1] / "photographs" / "collins.jpg"
MEASURES = [
    "eye opening",
    "mouth opening",
    "mouth width",
    "corner rise",
    "nose width",
    "nose length",
    "brow height",
]
GAZE = ["gaze x", "gaze y"]


@pytest.fixture(scope="module")
def photographed():
    return golden("faces")["collins.landmarks"]


def measures(landmarks):
    return {name: values.item() for name, values in mesh_measures(landmarks).items()}


def test_a_face_measures_alike_however_it_is_framed(photographed):
    angle = torch.tensor(0.7)
    turn = torch.stack(
        [torch.stack([angle.cos(), -angle.sin()]), torch.stack([angle.sin(), angle.cos()])]
    )
    moved = 0.3 * photographed @ turn.T + torch.tensor([0.2, -0.4])
    assert measures(moved) == pytest.approx(measures(photographed), abs=1e-5)


def test_what_moves_is_what_is_measured(photographed):
    """Distances from eye to eye that points move by, and what each measure then gains."""
    eyes = photographed[0, 263] - photographed[0, 33]
    across = torch.complex(*eyes)
    down = torch.view_as_real(across * 1j)
    right = torch.view_as_real(across)
    moves = {
        "eye opening": ([145, 374], down),
        "mouth width": ([291], right),
        "nose width": ([358], right),
        "brow height": ([105, 334], -down),
        "gaze x": ([468, 473], right),
        "gaze y": ([468, 473], down),
    }
    before = measures(photographed)
    for name, (points, way) in moves.items():
        moved = photographed.clone()
        moved[:, points] += 0.1 * way
        after = measures(moved)
        gained = {other: after[other] - before[other] for other in before}
        if name not in GAZE:
            assert gained.pop(name) == pytest.approx(0.1, abs=0.02), name
        else:  # in widths of an eye, of which there are about three from corner to corner
            assert 0.25 < gained.pop(name) < 0.45
        assert all(abs(other) < 0.02 for other in gained.values()), (name, gained)
    smile = photographed.clone()
    smile[:, [61, 291]] -= 0.1 * down
    assert measures(smile)["corner rise"] - before["corner rise"] == pytest.approx(0.1, abs=1e-5)
    gaping = photographed.clone()
    gaping[:, 14] += 0.1 * down
    assert measures(gaping)["mouth opening"] - before["mouth opening"] == pytest.approx(
        0.1, abs=2e-3
    )
    nodding = photographed.clone()
    nodding[:, 2] -= 0.1 * down
    assert measures(nodding)["nose length"] - before["nose length"] == pytest.approx(-0.1, abs=2e-3)


def test_no_face_has_no_measures(photographed):
    missing = torch.full_like(photographed, torch.nan)
    found = mesh_measures(torch.cat([missing, photographed]))
    assert list(found) == MEASURES + GAZE
    for values in found.values():
        assert values.isnan().tolist() == [True, False]
        assert values.dtype == torch.float32
    assert list(mesh_measures(photographed[:, :468])) == MEASURES


def test_other_landmarks_are_refused():
    with pytest.raises(PandaError, match=r"shape \[2, 68, 2\], expected \[N, 478, 2\]"):
        mesh_measures(torch.rand(2, 68, 2))


def test_the_best_face_is_the_mean_of_the_boxes_around_it():
    """Boxes of a face, one beside it and one far away with a lower score."""
    values = torch.zeros(1, 4, 8, 2)
    values[0, :, 0] = torch.tensor([[0.4, 0.4], [0.5, 0.4], [0.9, 0.9], [0.4, 0.4]])
    values[0, :, 1] = 0.2
    logits = torch.tensor([[3.0, 1.0, 2.0, -1.0]])
    faces, seen = best_faces(values, logits)
    weights = logits[0, :2].sigmoid()
    expected = (0.4 * weights[0] + 0.5 * weights[1]) / weights.sum()
    assert faces[0, 0].tolist() == pytest.approx([expected.item(), 0.4])
    assert seen.tolist() == [True]
    assert best_faces(values, logits - 4)[1].tolist() == [False]


class Planted(nn.Module):
    """A detector that sees one tilted face, and landmarks at three places of its square."""

    def __init__(self, score=9.0, presence=9.0):
        super().__init__()
        self.score, self.presence = score, presence

    def detector(self, images):
        values = torch.zeros(len(images), 1, 8, 2)
        values[:, 0, :4] = torch.tensor([[0.4, 0.6], [0.2, 0.1], [0.4, 0.55], [0.4, 0.65]])
        return values, torch.full((len(images), 1), self.score)

    def mesh(self, images):
        self.seen = images
        places = torch.full((len(images), 478), 96 + 96j)
        places[:, 1], places[:, 2] = 0, 192
        return places, torch.full((len(images),), self.presence)


def planted(**scores):
    mesh = FaceMesh.__new__(FaceMesh)
    mesh.device, mesh.network = torch.device("cpu"), Planted(**scores)
    return mesh


def test_the_square_turns_with_the_eyes():
    """The eyes are one above the other: the face lies, its top to the right."""
    mesh = planted()
    side = torch.arange(100.0) / 50 - 1
    image = torch.stack(
        [side.expand(100, 100), side[:, None].expand(100, 100), torch.zeros(100, 100)]
    )
    landmarks = mesh(image[None])
    assert landmarks.shape == (1, 478, 2)
    for point, expected in ((0, (0.4, 0.6)), (1, (0.55, 0.45)), (2, (0.55, 0.75))):
        assert landmarks[0, point].tolist() == pytest.approx(expected, abs=1e-6)
    # Colors are places: those of the crop's corners are those of the landmarks there.
    crop = mesh.network.seen[0, :2]
    assert crop[:, 0, 0].tolist() == pytest.approx([0.55, 0.45], abs=0.02)
    assert crop[:, 0, -1].tolist() == pytest.approx([0.55, 0.75], abs=0.02)


@pytest.mark.parametrize("scores", [{"score": -0.1}, {"presence": -0.1}])
def test_where_no_face_is_seen_landmarks_are_nan(scores):
    assert planted(**scores)(torch.zeros(2, 3, 40, 40)).isnan().all()


def test_what_has_no_landmarks_is_refused():
    with pytest.raises(PandaError, match=r"shape \[1, 2, 40, 40\], expected \[N, 3, H, W\]"):
        planted()(torch.zeros(1, 2, 40, 40))
    with pytest.raises(PandaError, match="NaN or infinity"):
        planted()(torch.full((1, 3, 40, 40), torch.nan))


@torch.no_grad()
def test_faces_are_measured_alike_in_any_batch():
    torch.manual_seed(0)
    network = FaceNetworks().eval()
    images = torch.rand(2, 3, 192, 192)
    together, presence = network.mesh(images)
    alone, one = network.mesh(images[1:2])
    assert together.shape == (2, 478)
    torch.testing.assert_close(alone[0], together[1], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(one[0], presence[1], rtol=1e-4, atol=1e-4)
    values, scores = network.detector(images[..., :128, :128])
    assert values.shape == (2, 896, 8, 2)
    assert scores.shape == (2, 896)


def test_files_with_other_graphs_are_refused(tmp_path):
    for name in (face_networks.DETECTOR, face_networks.MESH):
        (tmp_path / name).write_bytes(write_tflite([], [], {}, 1))
    with pytest.raises(
        PandaError, match="face_detection_short_range.tflite has 0 weights, expected"
    ):
        read_networks(tmp_path)


@pytest.mark.download
def test_landmarks_are_those_of_mediapipe(tmp_path, monkeypatch):
    """The goldens are of mediapipe 0.10.21 (`FaceMesh(static_image_mode, refine_landmarks)`)."""
    monkeypatch.setenv("PANDA_HOME", str(tmp_path))
    mesh, kept = FaceMesh(), golden("faces")
    photograph = torch.from_numpy(np.array(Image.open(PHOTOGRAPH))).permute(2, 0, 1) / 127.5 - 1
    images = golden("metrics")["images"] / 127.5 - 1
    for found, expected in (
        (mesh(photograph[None]), kept["collins.landmarks"]),
        (mesh(images), kept["landmarks"]),
    ):
        eyes = (expected[:, 263] - expected[:, 33]).norm(dim=-1)
        assert ((found - expected).norm(dim=-1).amax(1) < 0.005 * eyes).all()
    noise = torch.rand(2, 3, 256, 256, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert mesh(noise).isnan().all()
