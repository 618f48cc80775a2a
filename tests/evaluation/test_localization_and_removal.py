"""Localization and removal in figures, on a small generator and a stand-in for the parser."""

import math

import pytest
import torch
from drawn_faces import draw_features

from panda import PandaError
from panda.evaluation.localization import measure_localization
from panda.evaluation.removal import measure_removal
from panda.factorization.fit import fit
from panda.metrics.parsing import CLASSES
from panda.metrics.removal import (
    area_gone,
    class_drop,
    damage,
    feature_distance,
    iou,
    seam,
    traces,
    without,
)


@pytest.fixture
def factors(tiny):
    return fit(tiny, "b", parts=3, seeds=range(60))


def parser(images, size=64):
    parsed = torch.full((len(images), size, size), CLASSES.index("skin"), dtype=torch.uint8)
    parsed[:, : size // 4] = CLASSES.index("background")
    parsed[:, size // 4 : size // 3] = CLASSES.index("hair")
    return draw_features(parsed)


def classifier(images):
    rows = images.mean((2, 3))
    return rows.softmax(1), rows


def test_masks_areas_classes_and_features():
    one = torch.zeros(2, 4, 4, dtype=torch.bool)
    one[0, :2] = True
    other = torch.zeros(2, 4, 4, dtype=torch.bool)
    other[0, 1:3] = True
    found = iou(one, other)
    assert found[0] == pytest.approx(1 / 3) and math.isnan(found[1])
    with pytest.raises(PandaError, match="have no overlap"):
        iou(one, other[:, :2])
    assert class_drop(torch.tensor([[0.7, 0.3]]), torch.tensor([[0.2, 0.8]])).item() == (
        pytest.approx(0.5)
    )
    features = torch.tensor([[1.0, 0.0]])
    assert float(feature_distance(features, features)) == pytest.approx(0, abs=1e-6)
    assert float(feature_distance(features, features.flip(1))) == pytest.approx(1)
    assert (without(torch.ones(2, 3, 4, 4), one)[0, :, :2] == 0).all()


def test_the_area_that_is_gone_is_that_of_all_images_together():
    """An image with a few pixels of an object says little, whatever is there afterwards."""
    before = torch.tensor([0.3, 0.2, 0.4, 0.1])
    even = area_gone(before, before / 4)
    assert torch.allclose(even, torch.tensor(0.75).double())  # and so no spread
    found = area_gone(before, torch.tensor([0.0, 0.2, 0.1, 0.2]))
    assert float(found.mean()) == pytest.approx(0.5)
    left_over = torch.tensor([-0.15, 0.1, -0.1, 0.15]) / 0.25  # after, less half of before
    assert torch.allclose(found, (0.5 - left_over).double())
    tiny = area_gone(torch.cat([before, torch.tensor([1e-4])]), torch.tensor([0, 0, 0, 0, 0.1]))
    assert float(tiny.mean()) == pytest.approx(1 - 0.1 / 1.0001) and float(tiny.std()) < 0.3
    assert area_gone(torch.zeros(2), torch.tensor([0, 0.1])).isnan().all()


def squares(color: float, noise: float = 0.0) -> torch.Tensor:
    """Return an image ``[1, 3, 48, 48]`` of gray with a square of another brightness, and noise."""
    draw = torch.Generator().manual_seed(0)
    image = noise * torch.randn(1, 3, 48, 48, generator=draw)
    image[..., 16:32, 16:32] += color
    return image


def test_traces_of_a_removal_are_in_shares_of_the_range_of_colors():
    inside = squares(1)[:, 0] > 0
    assert float(seam(squares(1), inside)) == pytest.approx(0.5)
    assert float(seam(squares(0), inside)) == 0
    found = traces(squares(1), squares(0) + 0.2, inside)
    assert float(found["seam before"]) == pytest.approx(0.5)
    assert float(found["seam"]) == pytest.approx(0, abs=1e-6)
    assert float(found["damage"]) == pytest.approx(0.1)
    rough = torch.where(inside[:, None], squares(0, 0.2), squares(0, 0.1))
    assert float(traces(rough, rough, inside)["texture"]) == pytest.approx(2, rel=0.2)
    assert math.isnan(float(seam(squares(0), torch.zeros_like(inside))))
    assert math.isnan(float(damage(squares(0), squares(1), torch.zeros_like(inside))))


def test_localization_and_removal_are_measured(tiny, factors):
    found = measure_localization(tiny, [factors], parser, n=10, select=4)
    assert set(found) == {"background", "hair", "skin"}
    assert found["background"]["concept"] == "bg"
    assert all(0 <= facts["iou"][0] <= 1 for facts in found.values())
    gone = measure_removal(tiny, [factors], parser, classifier, "hair", n=10)
    assert gone["gone"] == (0, 0)  # the stand-in sees the same face whatever happens
    assert gone["stays"][0] > 0 and gone["parts"]
    assert gone["seam before"][0] > 0 and gone["damage"][0] > 0 and gone["texture"][0] > 0
    whole = measure_removal(tiny, [factors], parser, classifier, "object", n=10)
    assert whole["gone"] == (0, 0) and whole["parts"] is None and whole["class drop"][0] != 0
    with pytest.raises(PandaError, match="no face class 'hairs'"):
        measure_removal(tiny, [factors], parser, None, "hairs", 1)
    with pytest.raises(PandaError, match="has any hat"):
        measure_removal(tiny, [factors], parser, None, "hat", 1)


def test_fits_of_other_seeds_are_measured_together_and_widen_the_interval(tiny, factors):
    other = fit(tiny, "b", parts=3, seeds=range(60, 120))
    one, two, both = (
        measure_localization(tiny, fits, parser, n=10, select=4)["background"]
        for fits in ([factors], [other], [factors, other])
    )
    assert one["iou"] != two["iou"]
    assert both["iou"][0] == pytest.approx((one["iou"][0] + two["iou"][0]) / 2)
    assert both["random"][0] == pytest.approx(one["random"][0]) and both["n"] == 10
    gone = measure_removal(tiny, [factors, other], parser, None, "hair", n=10)
    assert len(gone["parts"]) == 2
    elsewhere = fit(tiny, "a", parts=3, seeds=range(60))
    for measured in (
        lambda fits: measure_localization(tiny, fits, parser, n=4),
        lambda fits: measure_removal(tiny, fits, parser, None, "object", n=4),
    ):
        with pytest.raises(
            PandaError, match=r"of b \(class None\) and of a .* one layer and class"
        ):
            measured([factors, elsewhere])
        with pytest.raises(PandaError, match="no factors were given"):
            measured([])
        with pytest.raises(PandaError, match="on seed 60; give fits of disjoint sets of seeds"):
            measured([other, other])


def test_what_is_no_face_is_not_measured_by_parsing_faces(tiny, factors):
    def no_faces(images):
        """Skin with a nose in noise."""
        parsed = torch.full((len(images), 64, 64), CLASSES.index("skin"), dtype=torch.uint8)
        parsed[:, 20:40, 20:40] = CLASSES.index("nose")
        return parsed

    with pytest.raises(PandaError, match="the samples of tiny are no faces"):
        measure_localization(tiny, [factors], no_faces, n=4, select=4)
    for what in ("object", "nose"):
        with pytest.raises(PandaError, match="the samples of tiny are no faces"):
            measure_removal(tiny, [factors], no_faces, None, what, n=4)


def test_of_barely_enough_faces_the_share_is_said(tiny, factors, capsys):
    """A quarter of the first samples must be whole faces."""

    def some(images):
        parsed = draw_features(torch.full((len(images), 64, 64), CLASSES.index("skin")))
        parsed[1:, 20:40] = CLASSES.index("skin")
        return parsed.to(torch.uint8)

    measure_localization(tiny, [factors], some, n=4, select=4)
    assert "1 of the first 4 samples are whole faces" in capsys.readouterr().err


@pytest.mark.download
def test_the_classifier_has_its_published_weights(tmp_path, monkeypatch):
    pytest.importorskip("timm", exc_type=ImportError)
    from panda.metrics.efficientnet import Classifier

    monkeypatch.setenv("PANDA_HOME", str(tmp_path))
    scores, features = Classifier()(torch.zeros(2, 3, 64, 64))
    assert scores.shape == (2, 1000) and features.shape == (2, 1280)
    torch.testing.assert_close(scores.sum(1), torch.ones(2))
