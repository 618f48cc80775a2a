"""Measures with gradients: as those of class maps, for small changes of drawn faces."""

import pytest
import torch
from torch.nn import functional as F

from panda.metrics.face_colors import colors
from panda.metrics.face_shapes import MOUTH, SHAPES, shapes
from panda.metrics.parsing import CLASSES
from panda.metrics.soft_measures import MEASURES, SOFT, soft_measures

SIZE = 256
FACE = {
    "hair": (0, 0, 60, 256),
    "hat": (0, 0, 30, 200),
    "glasses": (70, 190, 16, 60),
    "left brow": (70, 60, 8, 40),
    "right brow": (70, 130, 8, 40),
    "left eye": (90, 60, 12, 40),
    "right eye": (90, 130, 12, 40),
    "nose": (110, 105, 45, 30),
    "upper lip": (170, 80, 10, 80),
    "mouth interior": (180, 90, 8, 60),
    "lower lip": (188, 80, 12, 80),
    "neck": (220, 70, 20, 100),
    "cloth": (240, 0, 16, 256),
}
"""Top, left, height and width."""


def draw(sag=0, **changed):
    """A class map ``[1, H, W]`` in which the sides of the mouth hang by ``sag`` rows."""
    parsed = torch.full((1, SIZE, SIZE), CLASSES.index("skin"), dtype=torch.uint8)
    for name, box in (FACE | {key.replace("_", " "): box for key, box in changed.items()}).items():
        top, left, height, width = box
        for column in range(left, left + width):
            down = top + (round(sag * abs(column - 120) / 40) if name in MOUTH else 0)
            parsed[0, down : down + height, column] = CLASSES.index(name)
    return parsed


def scores_of(parsed):
    """Scores at an eighth of 512 pixels, as unsure at rims as shares of pixels are."""
    each = F.one_hot(parsed.long(), len(CLASSES)).permute(0, 3, 1, 2).float()
    return F.avg_pool2d(each, 5, 1, 2)[..., ::4, ::4].clamp_min(1e-4).log()


@pytest.mark.parametrize(
    ("measure", "changed"),
    [
        ("eye area", {"left_eye": (88, 60, 16, 40)}),
        ("nose length", {"nose": (110, 105, 52, 30)}),
        ("nose width", {"nose": (110, 101, 45, 38)}),
        ("mouth opening", {"mouth_interior": (176, 90, 12, 60)}),
        ("mouth width", {"lower_lip": (188, 72, 12, 96)}),
        ("lip corners", {"sag": -8}),
        ("lip area", {"upper_lip": (166, 80, 14, 80)}),
        ("brow height", {"left_brow": (64, 60, 8, 40), "right_brow": (64, 130, 8, 40)}),
        ("brow area", {"left_brow": (66, 60, 12, 40)}),
        ("hair area", {"hair": (0, 0, 64, 256)}),
        ("glasses area", {"glasses": (70, 180, 16, 70)}),
        ("hat area", {"hat": (0, 0, 34, 200)}),
        ("skin area", {"neck": (220, 90, 20, 60)}),
        ("neck area", {"neck": (220, 60, 20, 120)}),
        ("clothes area", {"cloth": (236, 0, 20, 256)}),
    ],
)
def test_each_grows_as_that_of_class_maps_does(measure, changed):
    before, after = draw(), draw(**changed)
    hard = float(SHAPES[measure](after) - SHAPES[measure](before))
    image = torch.zeros(1, 3, 64, 64)
    soft = [float(soft_measures(image, scores_of(each))[measure]) for each in (before, after)]
    assert hard > 0
    assert soft[1] - soft[0] == pytest.approx(hard, rel=0.35)
    assert soft[0] == pytest.approx(float(shapes(before)[measure]), rel=0.35, abs=0.01)


def test_gradients_reach_scores_and_colors():
    draws = torch.Generator().manual_seed(0)
    scores = scores_of(draw()).requires_grad_()
    image = (0.5 * torch.randn(1, 3, 64, 64, generator=draws)).requires_grad_()
    measured = soft_measures(image, scores)
    assert set(measured) == set(MEASURES) == {*SHAPES, "hair brightness", "background detail"}
    for name in SOFT:
        (gradient,) = torch.autograd.grad(measured[name].sum(), scores, retain_graph=True)
        assert gradient.isfinite().all() and gradient.any(), name
    (gradient,) = torch.autograd.grad(measured["hair brightness"].sum(), image)
    assert gradient.sum() > 0 and not gradient[..., 20:, :].any()  # in hair alone
    assert float(measured["hair brightness"].detach()) == pytest.approx(
        float(colors(image.detach(), draw())["hair brightness"]), abs=0.02
    )


def test_what_a_face_lacks_has_no_measure():
    skin = torch.full((1, SIZE, SIZE), CLASSES.index("skin"), dtype=torch.uint8)
    measured = soft_measures(torch.zeros(1, 3, 64, 64), scores_of(skin))
    missing = {name for name, value in measured.items() if value.isnan().all()}
    assert missing == {"lip corners", "brow height", "hair brightness", "background detail"}
