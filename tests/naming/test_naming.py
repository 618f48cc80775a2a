"""Names of parts and appearances, and edits found by words."""

import json
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from conftest import unsettled
from drawn_faces import draw_features

from panda import PandaError
from panda.cli import main, rendering
from panda.factorization.factors import Factors
from panda.factorization.fit import fit
from panda.generators.registry import create_generator
from panda.metrics.face_shapes import SHAPES, shapes
from panda.metrics.parsing import CLASSES, WEIGHTS, FaceParser
from panda.metrics.roir import small
from panda.naming import names
from panda.naming.discover import MEASURES, discover
from panda.naming.effects import (
    GROUPS_OF,
    Measure,
    concerns,
    describe_effects,
    effect_of,
    look,
    spread,
)
from panda.naming.names import GROUPS, describe_part, name_factors, place_of
from panda.naming.saved import names_of
from panda.progress import watched


@pytest.fixture
def factors(tiny):
    return fit(tiny, "b", parts=3, seeds=range(60))


def parse(images):
    """A face whose mouth opens where the image is bright, as a stand-in for the parser."""
    bright = images.mean((1, 2, 3))
    parsed = torch.full((len(images), 64, 64), CLASSES.index("skin"), dtype=torch.uint8)
    parsed[:, :16] = CLASSES.index("hair")
    draw_features(parsed, "mouth interior", "lower lip")
    for row, value in zip(parsed, bright, strict=True):
        size = int((10 + 200 * value).clamp(1, 20))
        row[42 : 42 + size, 26:38] = CLASSES.index("mouth interior")
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


def class_maps(count, **areas):
    """Class maps 100 x 100 of skin, in each a patch of so many pixels of every other class."""
    parsed = torch.full((count, 100, 100), CLASSES.index("skin"), dtype=torch.uint8)
    for row, (name, pixels) in enumerate(areas.items()):
        for each, area in zip(parsed, pixels, strict=True):
            each[10 * row, :area] = CLASSES.index(name)
            each[10 * row : 10 * row + area // 100, :] = CLASSES.index(name)
    return parsed


@pytest.mark.parametrize(
    ("hats", "name"),
    [
        ((0, 0, 0, 0), "skin"),
        ((30, 0, 0, 0), "skin"),  # an error of parsing
        ((30, 30, 30, 30), "skin"),
        ((900, 0, 0, 0), "skin"),  # one of four samples wears a hat
        ((900, 900, 0, 0), "hat"),
        ((900, 900, 900, 30), "hat"),
    ],
)
def test_a_part_is_named_after_what_most_samples_have_enough_of(hats, name):
    parsed = class_maps(4, hat=hats)
    part = torch.full((100, 100), 0.01)
    part[:9] = 1
    part[0, :30] = 1
    assert describe_part(part, parsed).split(", ")[0] == name
    assert name == "hat" or "hat" not in describe_part(part, parsed)


def test_where_nothing_counts_the_name_is_a_place():
    glasses = torch.full((2, 8, 8), CLASSES.index("glasses"), dtype=torch.uint8)
    assert describe_part(torch.ones(8, 8), glasses) == "center"


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
    assert concerns(measure, 3, "mouth, nose") == (measure.part in (None, 3))


@pytest.mark.parametrize(
    ("name", "part", "own"),
    [
        ("mouth opening", "mouth, nose", True),
        ("mouth opening", "nose", False),
        ("hat area", "background", False),
        ("hat area", "hair", True),
        ("eye area", "hair, hat", False),
        ("eye area", "upper left", False),
    ],
)
def test_a_shape_is_that_of_the_parts_that_cover_it(name, part, own):
    assert concerns(Measure(name), 3, part) is own


def test_every_shape_belongs_to_parts():
    assert set(GROUPS_OF) == set(SHAPES)
    assert {group for groups in GROUPS_OF.values() for group in groups} <= set(GROUPS)


def test_edits_are_named_by_measures_of_their_own_part_alone(tiny, factors):
    """The stand-in's mouth opens with every edit: of hair, it is an effect, and not the name."""
    named = names_of(name_factors(tiny, factors, parse, seeds=range(6), appearances=2))["parts"]
    assert any("mouth opening" in edit["effects"] for part in named for edit in part["edits"])
    for part in named:
        mouth = "mouth" in part["name"].split(", ")
        for edit in part["edits"]:
            assert mouth or "mouth" not in edit["name"]


def test_a_hat_of_a_few_pixels_is_not_worn():
    areas = shapes(class_maps(3, hat=(0, 90, 900)))["hat area"]
    assert areas.tolist() == pytest.approx([0, 0, 0.09])


def test_samples_that_are_no_faces_are_named_without_parsing(tiny, factors, capsys):
    def no_faces(images):
        return torch.full((len(images), 64, 64), CLASSES.index("skin"), dtype=torch.uint8)

    names = names_of(name_factors(tiny, factors, no_faces, seeds=range(4), appearances=1))
    assert names == names_of(name_factors(tiny, factors, None, seeds=range(4), appearances=1))
    assert "the samples of tiny are no faces" in capsys.readouterr().err


@pytest.mark.skipif(not WEIGHTS.cached, reason="the weights of face parsing are not cached")
@pytest.mark.parametrize("name", ["mini-stylegan-faces-64", "mini-stylegan3-faces-64"])
def test_nobody_wears_a_hat_in_small_generators(name):
    generator = create_generator(name)
    factors = fit(generator, generator.layer_near(16).name, parts=8, seeds=range(100))
    named = name_factors(generator, factors, FaceParser(), appearances=0)
    names = [part["name"] for part in names_of(named)["parts"]]
    assert not any("hat" in each.split(", ") for each in names), names
    assert any("hair" in each.split(", ") for each in names), names


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
    found = discover("brighter", [named])
    assert found == discover("Brighter", named)
    assert found and all(one.effect > 0 for one in found)
    opposite = discover("darker", [named])
    assert {one.edit for one in found}.isdisjoint(one.edit for one in opposite)


def test_naming_shows_its_steps_every_few_images(tiny, factors, monkeypatch):
    """An edit of many samples may take minutes."""
    steps, rendered, tail = [(0, 0)], [0], tiny.tail

    def counting(state, layer):
        rendered[0] += len(state.x)
        return tail(state, layer)

    monkeypatch.setattr(tiny, "tail", counting)
    with watched(lambda what, done, total: steps.append((done, rendered[0]))):
        name_factors(tiny, factors, None, seeds=range(10), appearances=2)
    assert steps[-1] == (10 * (1 + 2 * 2 * 3), rendered[0])
    assert all(after - before <= 4 for (_, before), (_, after) in pairwise(steps))


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


@pytest.mark.verdict
def test_stable_parts_and_axes_come_first_and_others_are_marked(
    tiny, factors, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(rendering, "create_generator", lambda *_, **__: tiny)
    unsettled(factors, [0], [0, 1]).save(tmp_path / "f")
    words = ["--no-faces", "--seeds", "0,1", "--appearances", "11"]
    assert main(["name", str(tmp_path / "f"), *words]) == 0
    lines = capsys.readouterr().out.splitlines()
    titles = [line for line in lines if line.startswith("part")]
    assert [title.split(":")[0] for title in titles] == ["part 1", "part 2", "part 0"]
    assert ["(unstable)" in title for title in titles] == [False, False, True]
    edits = [line.split()[0].split(":")[:2] for line in lines[1:12]]
    assert {axis for _, axis in edits[:10]} == {f"p{axis}" for axis in range(2, 12)}
    assert edits[10] == ["1", "p0"]  # of 12, one is left out
    assert ["(unstable)" in line for line in lines[1:12]] == [False] * 10 + [True]
    assert all("(unstable)" in line for line in lines[-11:])  # of an unstable part
    ranked = discover("brighter", Factors.load(tmp_path / "f"))
    assert [found.stable for found in ranked] == sorted((f.stable for f in ranked), reverse=True)
    strengths = [-abs(found.effect) * found.purity for found in ranked]
    assert ranked[0].stable and not ranked[-1].stable and strengths != sorted(strengths)
    assert main(["discover", "brighter", str(tmp_path / "f"), "--top", "99"]) == 0
    said = [line.endswith("(unstable)") for line in capsys.readouterr().out.splitlines()]
    assert said == [not found.stable for found in ranked]


def test_edits_that_break_the_picture_are_marked(tiny, factors, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(rendering, "create_generator", lambda *_, **__: tiny)
    monkeypatch.setattr(names, "breaks", lambda realism, images, *_: images.mean() > before)
    before = small(tiny.forward(tiny.sample(range(4)))).mean()
    factors.save(tmp_path / "f")
    words = ["name", str(tmp_path / "f"), "--no-faces", "--seeds", "0-3", "--appearances", "2"]
    assert main([*words, "--json"]) == 0
    edits = [e for part in json.loads(capsys.readouterr().out)["parts"] for e in part["edits"]]
    assert {tuple(edit["broken"]) for edit in edits} <= {(4.0,), (-4.0,), (4.0, -4.0), ()}
    assert any(edit["broken"] for edit in edits)
    assert main(words) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    assert [line.endswith("(breaks the picture)") for line in lines] == [
        bool(edit["broken"]) for edit in edits
    ]


def test_from_the_shell(tiny, factors, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(rendering, "create_generator", lambda name, device: tiny)
    monkeypatch.setattr("panda.metrics.parsing.FaceParser", lambda device: parse)
    folder = str(tmp_path / "f")
    replace(factors).save(folder)
    assert main(["name", folder, "--appearances", "1", "--seeds", "0-4"]) == 0
    assert "part 0: " in capsys.readouterr().out
    assert main(["discover", "brighter", folder, "--top", "2"]) == 0
    assert "b          " in capsys.readouterr().out
