"""What measures and their networks see of images that are not square, gray or transparent."""

import numpy as np
import pytest
import torch
from torch import nn

from panda import PandaError
from panda.metrics.changes import change
from panda.metrics.checks import as_checked, as_squares
from panda.metrics.inception import normalize
from panda.metrics.landmarks import landmarks
from panda.metrics.lpips import LPIPS, NARROWEST, AlexNetDistance
from panda.metrics.parsing import CLASSES, FaceParser, enlarged
from panda.metrics.regions import Boxes, widened
from panda.metrics.roir import measure, small

STRIP = torch.linspace(-1, 1, 2 * 3 * 40 * 120).view(2, 3, 40, 120)


class Columns(nn.Module):
    """Scores by which the left third of an image is hair, whatever is there."""

    def forward(self, images):
        self.seen = images
        height, width = (side // 8 for side in images.shape[2:])
        scores = torch.zeros(len(images), len(CLASSES), height, width)
        scores[:, CLASSES.index("hair"), :, : width // 3] = 9
        return scores


def parser():
    made = FaceParser.__new__(FaceParser)
    made.device, made.network = torch.device("cpu"), Columns()
    return made


def test_face_parsing_keeps_the_proportions():
    parse = parser()
    maps = parse(STRIP, 192)
    assert maps.shape == (2, 64, 192) and parse.network.seen.shape == (2, 3, 64, 192)
    assert (maps[:, :, :48] == CLASSES.index("hair")).all() and not maps[:, :, 96:].any()
    assert parse(STRIP.mT, 192).shape == (2, 192, 64)
    assert parse(STRIP[:, :, :2], 64).shape == (2, 1, 64)  # however narrow
    assert enlarged(parse.scores(STRIP, 96), 240).shape == (2, len(CLASSES), 80, 240)


def _seen(parse, images):
    parse(images, 64)
    return parse.network.seen


@pytest.mark.parametrize("channels", [1, 4])
def test_networks_see_gray_and_transparent_images_as_rgb(channels):
    images = torch.rand(2, channels, 64, 64) * 2 - 1
    parse = parser()
    torch.testing.assert_close(_seen(parse, images), _seen(parse, small(images, 64)))
    assert normalize(as_checked(images)).shape == (2, 3, 299, 299)


def test_other_channels_and_nan_are_refused():
    with pytest.raises(PandaError, match=r"\[1, 2, 4, 4\], expected \[N, 3, H, W\], or 1 or 4"):
        as_checked(torch.zeros(1, 2, 4, 4))
    with pytest.raises(PandaError, match="NaN or infinity"):
        as_checked(torch.full((1, 1, 4, 4), torch.nan))


def test_small_images_keep_the_proportions():
    assert small(STRIP, 60).shape == (2, 3, 20, 60)
    assert small(STRIP, 240).shape == (2, 3, 80, 240)
    assert torch.equal(small(STRIP[:, :1], 120), STRIP[:, :1].expand(-1, 3, -1, -1))
    alpha = torch.full_like(STRIP[:, :1], -1)
    assert not small(torch.cat([STRIP, alpha], 1)).any()


def test_networks_of_faces_see_the_image_in_the_middle_of_a_square():
    square = as_squares(STRIP)
    assert square.shape == (2, 3, 120, 120)
    assert torch.equal(square[:, :, 40:80], STRIP)
    assert not square[:, :, :40].any() and not square[:, :, 80:].any()
    assert torch.equal(as_squares(STRIP.mT), square.mT)
    assert as_squares(square) is square


def test_regions_have_the_size_of_small_images():
    masks = Boxes().find(STRIP, 256)
    assert {mask.shape for mask in masks.values()} == {(2, 85, 256)}
    rows, columns = masks["eyes"][0].nonzero(as_tuple=True)
    assert rows.float().mean() / 85 == pytest.approx(120 / 256, abs=0.01)
    assert columns.float().mean() / 256 == pytest.approx(0.5, abs=0.01)
    parsed = torch.zeros(2, 64, 192, dtype=torch.uint8)
    parsed[:, :, :64] = CLASSES.index("hair")
    hair = widened(parsed, 256)["hair"]
    assert hair.shape == (2, 85, 256) and hair[:, :, :85].all() and not hair[:, :, 100:].any()


def test_changes_are_measured_in_any_proportions():
    region = torch.zeros(2, 20, 60, dtype=torch.bool)
    region[:, :, :30] = True
    before = small(STRIP, 60)
    after = torch.where(region[:, None], before + 0.5, before)
    assert measure(before, after, region).strength.tolist() == pytest.approx([0.5, 0.5])
    assert change(before, after, region.float())[1].tolist() == [0, 0]
    clear = torch.cat([before, torch.full_like(before[:, :1], -1)], 1)
    assert change(clear, clear.flip(3), region.float())[0].tolist() == [0, 0]


def test_landmarks_are_in_halves_of_the_longer_side():
    parsed = torch.zeros(60, 60, dtype=torch.uint8)
    for name, rows, columns in (
        *(("skin", (8, 52), (8, 52)), ("left eye", (18, 24), (16, 24))),
        *(("right eye", (18, 24), (36, 44)), ("nose", (26, 34), (27, 33))),
        ("mouth interior", (40, 46), (22, 38)),
    ):
        parsed[slice(*rows), slice(*columns)] = CLASSES.index(name)
    square = landmarks(parsed)
    wide = torch.zeros(60, 120, dtype=torch.uint8)
    wide[:, 30:90] = parsed
    np.testing.assert_allclose(landmarks(wide), square / 2)
    tall = torch.zeros(120, 60, dtype=torch.uint8)
    tall[30:90] = parsed
    np.testing.assert_allclose(landmarks(tall), square / 2)


def test_lpips_says_what_is_too_narrow():
    distance = LPIPS.__new__(LPIPS)
    distance.device, distance.network = torch.device("cpu"), AlexNetDistance()
    for parameter in distance.network.parameters():
        nn.init.normal_(parameter, std=0.05)
    strip = torch.rand(1, 1, NARROWEST, 80)
    with torch.no_grad():
        assert distance(strip, -strip).shape == (1, NARROWEST, 80)
    with pytest.raises(PandaError, match="images of 31 x 80 pixels are too narrow for LPIPS"):
        distance(strip[:, :, 1:], strip[:, :, 1:])
