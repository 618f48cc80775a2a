"""Face parsing: the network's names and shapes, class maps, and what counts as a whole face."""

import json

import pytest
import torch
from conftest import GOLDENS, golden
from published_names import published

from panda import PandaError
from panda.checkpoints.strict import load_strictly
from panda.metrics.bisenet import BiSeNet, from_state_dict
from panda.metrics.parsing import CLASSES, FaceParser, complete, enlarged, mask, share


@pytest.fixture(scope="module")
def network():
    shapes = json.loads((GOLDENS / "metrics" / "names.json").read_text())["bisenet"]
    with torch.device("meta"):
        network = BiSeNet(len(CLASSES))
    load_strictly(network, from_state_dict(published(shapes)), "BiSeNet")
    return network


@pytest.fixture
def parser(network):
    made = FaceParser.__new__(FaceParser)
    made.device, made.network = torch.device("cpu"), network
    return made


def test_the_published_names_make_the_whole_network(network):
    scores = network(torch.rand(2, 3, 64, 96))
    assert scores.shape == (2, 19, 8, 12)
    assert scores.isfinite().all()
    assert scores.std() > 0


@pytest.mark.parametrize("resolution", [16, 64, 100])
def test_class_maps_have_the_size_asked_for(parser, resolution):
    parsed = parser(torch.rand(2, 3, resolution, resolution) * 2 - 1, size=64)
    assert parsed.shape == (2, 64, 64)
    assert parsed.dtype == torch.uint8
    assert int(parsed.max()) < len(CLASSES)


def test_class_maps_are_the_highest_scores_and_scores_have_gradients(parser):
    images = (torch.rand(1, 3, 40, 40) * 1.8 - 0.9).requires_grad_()
    scores = parser.scores(images, size=64)
    assert scores.shape == (1, len(CLASSES), 8, 8)
    assert torch.equal(parser(images, size=64), enlarged(scores, 64).argmax(1))
    (gradient,) = torch.autograd.grad(scores[:, 4].sum(), images)
    assert gradient.isfinite().all() and gradient.any()


def test_an_image_is_parsed_alike_in_any_batch(parser):
    images = torch.rand(3, 3, 40, 40, generator=torch.Generator().manual_seed(1)) * 2 - 1
    together = parser(images, size=64)
    alone = torch.cat([parser(image[None], size=64) for image in images])
    assert (together == alone).float().mean() > 0.999


def test_what_cannot_be_parsed_is_refused(parser):
    images = torch.zeros(1, 3, 64, 64)
    with pytest.raises(PandaError, match="size 100, expected a multiple of 32"):
        parser(images, size=100)
    with pytest.raises(PandaError, match=r"expected \[N, 3, H, W\]"):
        parser(images[:, :2])
    with pytest.raises(PandaError, match="NaN or infinity"):
        parser(images / 0)


def face(**boxes):
    """A class map 100 x 100 of skin with rectangles (top, left, height, width)."""
    parsed = torch.full((100, 100), CLASSES.index("skin"), dtype=torch.uint8)
    for name, (top, left, height, width) in boxes.items():
        value = CLASSES.index(name.rstrip("2").replace("_", " "))
        parsed[top : top + height, left : left + width] = value
    return parsed


WHOLE = {
    "left_eye": (30, 25, 4, 8),
    "right_eye": (30, 65, 4, 8),
    "nose": (40, 45, 18, 10),
    "lower_lip": (70, 40, 6, 20),
}


def without(name, **more):
    return face(**{key: box for key, box in WHOLE.items() if key != name}, **more)


def test_a_whole_face_has_both_eyes_nose_and_mouth():
    faces = {
        "whole": (face(**WHOLE), True),
        "both eyes of one class": (without("left_eye", right_eye2=(30, 25, 4, 8)), True),
        "mouth interior": (without("lower_lip", mouth_interior=(70, 40, 6, 20)), True),
        "glasses": (without("left_eye", glasses=(28, 20, 10, 60)), True),
        "one eye": (without("left_eye"), False),
        "a speck": (without("left_eye", left_eye=(30, 25, 1, 1)), False),
        "one eye in two classes": (without("left_eye", left_eye=(30, 73, 4, 8)), False),
        "no nose": (without("nose"), False),
        "no mouth": (without("lower_lip"), False),
    }
    found = complete(torch.stack([parsed for parsed, _ in faces.values()]))
    assert dict(zip(faces, found.tolist(), strict=True)) == {
        name: whole for name, (_, whole) in faces.items()
    }


def test_classes_are_asked_for_by_name():
    parsed = face(**WHOLE)[None]
    assert share(parsed, "nose").item() == pytest.approx(0.018)
    assert share(parsed, "left eye", "right eye").item() == pytest.approx(0.0064)
    assert mask(parsed, "nose")[0, 40, 45]
    assert not mask(parsed, "hair").any()
    with pytest.raises(PandaError, match="no face class 'noze'; did you mean 'nose'"):
        share(parsed, "noze")


@pytest.mark.download
def test_classes_are_those_of_the_published_network(tmp_path, monkeypatch):
    monkeypatch.setenv("PANDA_HOME", str(tmp_path))
    io = golden("metrics")
    parsed = FaceParser()(io["images"] / 127.5 - 1)
    kept = io["classes"]
    assert (parsed[: len(kept), ::2, ::2] == kept).float().mean() > 0.9999
    assert complete(parsed).all()
