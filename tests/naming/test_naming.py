"""Names of parts and appearances, and edits found by words."""

from dataclasses import replace

import pytest
import torch

from panda import PandaError
from panda.cli import main, naming
from panda.factorization.factors import Factors
from panda.factorization.fit import fit
from panda.metrics.face_shapes import SHAPES
from panda.metrics.parsing import CLASSES
from panda.naming.discover import MEASURES, discover
from panda.naming.effects import (
    Measure,
    concerns,
    describe_effects,
    effect_of,
    look,
    spread,
)
from panda.naming.names import describe_part, name_factors, place_of
from panda.naming.saved import names_of


@pytest.fixture
def factors(tiny):
    return fit(tiny, "b", parts=3, seeds=range(60))


def parse(images):
    """A face whose mouth opens where the image is bright, as a stand-in for the parser."""
    bright = images.mean((1, 2, 3))
    parsed = torch.full((len(images), 32, 32), CLASSES.index("skin"), dtype=torch.uint8)
    parsed[:, :8] = CLASSES.index("hair")
    for row, value in zip(parsed, bright, strict=True):
        size = int((8 + 200 * value).clamp(1, 22))
        row[10 : 10 + size, 8 : 8 + size] = CLASSES.index("mouth interior")
    return parsed


def test_a_part_is_what_it_covers_most_densely():
    parsed = torch.full((1, 8, 8), CLASSES.index("skin"), dtype=torch.uint8)
    parsed[:, :2] = CLASSES.index("hair")
    parsed[:, 6:, 2:5] = CLASSES.index("lower lip")
    part = torch.zeros(8, 8)
    part[:2] = 1
    assert describe_part(part, parsed) == "hair"
    part[6:, 2:5] = 0.9
    assert describe_part(part, parsed) == "hair, mouth"
    assert describe_part(part, None) == place_of(part)


def test_places():
    part = torch.zeros(6, 6)
    part[0, 0] = 1
    assert place_of(part) == "upper left"
    assert place_of(torch.ones(6, 6)) == "center"


def test_effects_are_described_with_their_signs():
    effects = {
        Measure("eye area"): -0.1,
        Measure("mouth opening"): 1.44,
        Measure("brightness", 3): -0.5,
    }
    assert describe_effects(effects) == "mouth opening +1.4, brightness -0.5"
    assert describe_effects({Measure("eye area"): 0.1}) == "no effect that is measured"


@pytest.mark.parametrize(
    ("text", "measure"),
    [
        ("mouth opening", Measure("mouth opening")),
        ("brightness of 3", Measure("brightness", 3)),
        ("warmth of 12", Measure("warmth", 12)),
    ],
)
def test_a_measure_is_saved_as_text_and_read_again(text, measure):
    assert Measure.parse(text) == measure and str(measure) == text
    assert concerns(measure, 3) == (measure.part in (None, 3))


def test_effects_count_the_samples_that_have_the_measure():
    difference = torch.tensor([1.0, float("nan"), 3.0])
    assert effect_of(difference, 0.5) == pytest.approx(2.0)
    assert effect_of(difference, 0.0) == 0
    assert effect_of(torch.full((2,), float("nan")), 1.0) == 0
    assert spread(difference) == pytest.approx(2**0.5)


def test_looks_can_be_compared_and_hashed():
    images, masks = torch.rand(2, 3, 8, 8), torch.rand(2, 4, 4)
    first, second = (look(images, None, masks) for _ in range(2))
    assert first == first and first != second and len({first, second}) == 2
    assert set(first.measures) == {
        Measure(name, part) for name in ("brightness", "warmth") for part in range(2)
    }


def test_names_say_what_an_edit_changes_and_stay_with_the_factors(tiny, factors, tmp_path):
    named = name_factors(tiny, factors, parse, seeds=range(6), appearances=2)
    named.save(tmp_path / "f")
    parts = names_of(Factors.load(tmp_path / "f"))["parts"]
    assert len(parts) == 3 and all(len(part["edits"]) == 2 for part in parts)
    both = [
        (e["effects"]["mouth opening"], e["effects"][f"brightness of {k}"])
        for k, part in enumerate(parts)
        for e in part["edits"]
        if "mouth opening" in e["effects"] and f"brightness of {k}" in e["effects"]
    ]
    agree = [a * b > 0 for a, b in both]
    assert len(agree) > 1 and sum(agree) > len(agree) / 2  # as the stand-in behaves, mostly
    assert {"mouth opening", "brightness of 0"} & set(parts[0]["edits"][0]["effects"])
    found = discover("open mouth", [named])
    assert found == discover("Open-Mouth", named)
    assert found and all(one.effect > 0 for one in found)
    opposite = discover("close mouth", [named])
    assert {one.edit for one in found}.isdisjoint(one.edit for one in opposite)


def test_without_faces_place_and_color_remain(tiny, factors):
    names = names_of(name_factors(tiny, factors, None, seeds=range(4), appearances=1))
    assert names["faces"] is False
    measured = {name for part in names["parts"] for e in part["edits"] for name in e["effects"]}
    assert measured and all(name.startswith(("brightness", "warmth")) for name in measured)


def test_what_cannot_be_named_or_found_is_a_sentence(tiny, factors):
    with pytest.raises(PandaError, match="at least two samples"):
        name_factors(tiny, factors, None, seeds=[1])
    with pytest.raises(PandaError, match="run 'panda name FACTORS' first"):
        discover("smile", [factors])
    with pytest.raises(PandaError, match="'open mouths' is nothing that is measured; did you"):
        discover("open mouths", [factors])


def test_everything_that_can_be_asked_for_is_measured():
    assert {measure for measure, _ in MEASURES.values()} <= {*SHAPES, "brightness", "warmth"}


def test_from_the_shell(tiny, factors, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(naming, "create_generator", lambda name, device: tiny)
    monkeypatch.setattr("panda.metrics.parsing.FaceParser", lambda device: parse)
    folder = str(tmp_path / "f")
    replace(factors).save(folder)
    assert main(["name", folder, "--appearances", "1", "--seeds", "0-4"]) == 0
    assert "part 0: " in capsys.readouterr().out
    assert main(["discover", "brighter", folder, "--top", "2"]) == 0
    assert "b          " in capsys.readouterr().out
