"""Places of faces: hair, eyes, ... where they are in each sample, before and after an edit."""

import pytest
import torch
from framed import CANVAS, HAIR, LAYER, MARGIN, OUTSIDE, Framed, parse
from glowing_eyes import Glow
from golden_files import FOLDER

from panda import PandaError, create_generator
from panda.editing import apply, detectors
from panda.editing.apply import apply_edits, edit_images, edit_state, where_map
from panda.editing.detectors import Detector, find_detector, union
from panda.editing.edits import Edit
from panda.editing.local import DetectedChange
from panda.editing.natural import stop
from panda.editing.sources import find_source
from panda.factorization.fit import fit

FILE = "stylegan2-genforce/checkpoint.pth"


class Planted(Glow):
    """Sees a face, and hair where it was planted."""

    def __call__(self, images, size=512):
        return parse(images)


@pytest.fixture
def framed(monkeypatch):
    monkeypatch.setattr(detectors, "FaceParser", lambda device: Planted())
    return Framed()


@pytest.fixture
def small(monkeypatch):
    """A generator, its factors, two samples, and what moves them; detectors are drawn."""
    generator = create_generator(FOLDER / FILE)
    layer, later = list(generator.layers)[1:3]
    factors = fit(generator, layer, parts=2, seeds=20)

    def drawn(generator, place, name):
        weights = torch.randn(
            generator.layer(name).channels, generator=torch.Generator().manual_seed(0)
        )
        return Detector(place.removeprefix("face/"), name, 0.1 * weights, 0.2)

    monkeypatch.setattr(apply, "find_detector", drawn)
    return generator, factors, generator.sample([1, 2]), later, drawn


def test_a_detector_is_where_parsing_sees_its_class_and_one_position_further(framed):
    found = find_detector(framed, "face/hair", LAYER.name)
    inside = found(framed.head(framed.sample([50, 51]), LAYER.name).x)
    expected = torch.zeros(2, CANVAS, CANVAS)
    expected[:, HAIR[0].start : HAIR[0].stop + 1, HAIR[1]] = 1
    canvas = inside[:, MARGIN:-MARGIN, MARGIN:-MARGIN]
    torch.testing.assert_close(canvas, expected, atol=0.05, rtol=0)
    assert not inside[:, OUTSIDE[0]][:, :-1].any()


def test_every_edit_may_act_in_a_place_of_faces(framed):
    factors = fit(framed, LAYER.name, parts=2, seeds=20)
    x = framed.head(framed.sample([50]), LAYER.name).x
    edit = Edit.parse("face/hair:0:5")
    assert edit.place == "face/hair" and str(edit) == "face/hair:0:5"
    where = where_map(factors, edit, x, generator=framed)
    after = apply_edits(factors, x, [edit], generator=framed)
    step = 5 * factors.appearances[:, 0]
    torch.testing.assert_close(after - x, where[:, None] * step[:, None, None])
    gone = apply_edits(factors, x, [Edit("face/hair", "remove")], generator=framed)
    assert not torch.equal(gone, x)
    with pytest.raises(PandaError, match="face/hair is not known here"):
        apply_edits(factors, x, [edit])


def test_what_moves_acts_where_the_place_is_before_and_after(small):
    generator, factors, latents, later, drawn = small
    edit = Edit.parse(f"face/hair:seed7:0.8@{later}")
    state = stop(generator, factors, latents)
    found = edit_state(generator, factors, latents, state, [edit])[0].x
    change = find_source("seed7", generator)
    moved = change.moved(generator, latents, torch.full((2,), 0.8))
    before, after = (generator.head(each, later).x for each in (latents, moved))
    detector = drawn(generator, "face/hair", later)
    where = torch.maximum(detector(before), detector(after))
    assert 0 < where.mean() < 1 and not torch.equal(where, detector(before))
    assert torch.equal(union(detector, before, after), where)
    expected = before + where[:, None] * (after - before)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    images = DetectedChange(change, detector).start(generator, latents)(torch.tensor([0.8, 0.8]))
    torch.testing.assert_close(
        images, edit_images(generator, factors, latents, [edit]), atol=1e-4, rtol=1e-3
    )


def test_detectors_are_fitted_once_to_a_generator_of_faces(monkeypatch, cache, capsys):
    generator = create_generator(FOLDER / FILE)
    layer = next(iter(generator.layers))
    monkeypatch.setattr(detectors, "FaceParser", lambda device: Glow())
    first = find_detector(generator, "face/eyes", layer)
    assert "fitting detectors of faces" in capsys.readouterr().err
    monkeypatch.setattr(detectors, "FaceParser", None)  # which is not needed any more
    for other in (generator, create_generator(FOLDER / FILE)):
        again = find_detector(other, "face/eyes", layer)
        assert torch.equal(again.weights, first.weights) and again.offset == first.offset


@pytest.mark.parametrize(
    ("place", "face", "said"),
    [
        ("face/hat", True, "faces have no place 'face/hat'; expected face/eyes, .*mean 'hair'"),
        ("face/hair", False, "0 of 24 samples of .* are faces, so hair"),
    ],
)
def test_places_that_there_are_not_are_one_sentence(monkeypatch, cache, place, face, said):
    generator = create_generator(FOLDER / FILE)
    monkeypatch.setattr(detectors, "FaceParser", lambda device: Glow(face=face))
    factors = fit(generator, next(iter(generator.layers)), parts=2, seeds=20)
    with pytest.raises(PandaError, match=said):
        edit_images(generator, factors, generator.sample([1]), f"{place}:seed7:1")
